// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <system_error>

namespace lazybuild {

Error Error::context(std::string_view what) && {
    std::string text{what};
    text += ": ";
    text += message;
    return Error{.code = code, .message = std::move(text)};
}

Error Error::context(std::string_view what) const& {
    return Error{*this}.context(what);
}

Error errno_error(std::string_view what, int error_number) {
    std::string text{what};
    text += ": ";
    text += std::generic_category().message(error_number);
    return Error{.code = static_cast<std::errc>(error_number), .message = std::move(text)};
}

Error corrupt(std::string message) {
    return Error{.code = std::errc::bad_message, .message = std::move(message)};
}

Error over_limit(std::string message) {
    return Error{.code = std::errc::argument_out_of_domain, .message = std::move(message)};
}

Error invalid(std::string message) {
    return Error{.code = std::errc::invalid_argument, .message = std::move(message)};
}

}  // namespace lazybuild
