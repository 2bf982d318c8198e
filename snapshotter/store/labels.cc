// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/labels.h"

#include <nlohmann/json.hpp>

namespace lazybuild::store {

std::string labels_to_json(const Labels& labels) {
    const nlohmann::json object = labels;
    // A map without entries is null to the library, and must be an object to us.
    return labels.empty() ? "{}"
                          : object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<Labels> labels_from_json(std::string_view json) {
    const nlohmann::json object = nlohmann::json::parse(json, nullptr, false);
    if (!object.is_object()) {
        return fail(corrupt("labels are not a JSON object"));
    }
    Labels labels;
    for (const auto& [key, value] : object.items()) {
        const auto* text = value.get_ptr<const std::string*>();
        if (text == nullptr) {
            return fail(corrupt("label " + key + " is not a string"));
        }
        labels.emplace(key, *text);
    }
    return labels;
}

}  // namespace lazybuild::store
