// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/run_mount.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

using Type = MountOptions::Type;
using Sharing = MountOptions::Sharing;

constexpr std::size_t kFieldsMax = 64;
constexpr std::array<std::pair<std::string_view, Type>, 5> kTypes{{{"bind", Type::bind},
                                                                   {"cache", Type::cache},
                                                                   {"tmpfs", Type::tmpfs},
                                                                   {"secret", Type::secret},
                                                                   {"ssh", Type::ssh}}};
constexpr std::array<std::pair<std::string_view, Sharing>, 3> kSharings{
    {{"shared", Sharing::shared}, {"private", Sharing::private_}, {"locked", Sharing::locked}}};
constexpr std::array<std::string_view, 19> kKeys{
    "type", "from", "source", "target", "readonly",    "id", "sharing", "required",  "size", "mode",
    "uid",  "gid",  "src",    "dst",    "destination", "ro", "rw",      "readwrite", "env"};

template <class Value>
std::optional<Value> find_named(std::span<const std::pair<std::string_view, Value>> table,
                                std::string_view name) {
    for (const auto& [known, value] : table) {
        if (known == name) {
            return value;
        }
    }
    return std::nullopt;
}

template <class Value>
std::string suggestion(std::span<const std::pair<std::string_view, Value>> table,
                       std::string_view typed) {
    std::vector<std::string> names;
    for (const auto& row : table) {
        names.emplace_back(row.first);
    }
    return did_you_mean(typed, names);
}

Error bad_csv(std::size_t column, std::string_view what) {
    return invalid(
        fmt::format("failed to parse csv mounts: parse error on column {}: {}", column + 1, what));
}

// A field that begins with a quote, from its quote on; `at` is left behind it.
Result<std::string> quoted_field(std::string_view text, std::size_t& at) {
    std::string field;
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] != '"') {
            field += text[i];
        } else if (text.substr(i + 1).starts_with('"')) {
            field += text[++i];
        } else if (i + 1 == text.size() || text[i + 1] == ',') {
            at = i + 1;
            return field;
        } else {
            break;
        }
    }
    return fail(bad_csv(at, "extraneous or missing \" in quoted-field"));
}

Result<std::vector<std::string>> csv_fields(std::string_view text) {
    std::vector<std::string> fields;
    for (std::size_t at = 0; at <= text.size(); ++at) {
        if (fields.size() == kFieldsMax) {
            return fail(over_limit(
                fmt::format("a mount has more than {} comma-separated options", kFieldsMax)));
        }
        if (text.substr(at).starts_with('"')) {
            TRY(std::string field, quoted_field(text, at));
            fields.push_back(std::move(field));
            continue;
        }
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string_view field = text.substr(at, end - at);
        if (const std::size_t quote = field.find('"'); quote != field.npos) {
            return fail(bad_csv(at + quote, "bare \" in non-quoted field"));
        }
        fields.emplace_back(field);
        at = end;
    }
    return fields;
}

std::optional<std::uint32_t> parse_number(std::string_view text, int base) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

Result<bool> parse_switch(std::string_view key, std::string_view value) {
    for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
        if (value == yes) {
            return true;
        }
    }
    for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
        if (value == no) {
            return false;
        }
    }
    return fail(invalid(fmt::format("invalid value for {}: {}", key, value)));
}

// "64m", "1.5GiB", "100 kb", "512": units are powers of 1024.
std::optional<std::uint64_t> parse_size(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (digits == 0 || error != std::errc{} || end != text.data() + digits) {
        return std::nullopt;
    }
    std::string unit = lower_case(trim(text.substr(digits)));
    if (unit.size() > 1 && unit.ends_with('b')) {
        unit.pop_back();
        if (unit.ends_with('i')) {
            unit.pop_back();
        }
    }
    constexpr std::string_view kUnits = "bkmgtp";
    const std::size_t power = unit.empty() ? 0 : kUnits.find(unit);
    if (unit.size() > 1 || power == kUnits.npos) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < power; ++i) {
        value *= 1024;
    }
    if (!(value < static_cast<double>(std::numeric_limits<std::int64_t>::max()))) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(value);
}

class MountParser {
  public:
    Result<void> take(std::string_view field, const ExpandWord& expand);
    Result<MountOptions> finish();

  private:
    Result<void> take_flag(std::string_view key, std::string_view field);
    Result<void> take_value(std::string_view key, std::string value, std::string_view field);
    Result<void> take_number(std::string_view key, std::string_view value);
    Result<void> take_type(const std::string& value);
    Result<void> take_sharing(const std::string& value);
    Result<void> take_size(std::string_view value);
    Result<void> set_required(std::string_view key, std::string_view value);
    Error unexpected(std::string_view key) const {
        return invalid(
            fmt::format("unexpected key '{}' for mount type '{}'", key, name_of(mount_.type)));
    }

    MountOptions mount_;
    std::optional<bool> read_only_;
};

Result<void> MountParser::take(std::string_view field, const ExpandWord& expand) {
    const std::size_t equals = field.find('=');
    const std::string key = lower_case(field.substr(0, equals));
    if (equals == field.npos) {
        return take_flag(key, field);
    }
    TRY(std::string value, expand(field.substr(equals + 1)));
    return take_value(key, std::move(value), field);
}

Result<void> MountParser::take_flag(std::string_view key, std::string_view field) {
    if (key == "readonly" || key == "ro") {
        read_only_ = true;
    } else if (key == "readwrite" || key == "rw") {
        read_only_ = false;
    } else if (key == "required") {
        return set_required(key, "true");
    } else {
        return fail(invalid(fmt::format("invalid field '{}' must be a key=value pair", field)));
    }
    return {};
}

Result<void> MountParser::take_value(std::string_view key, std::string value,
                                     std::string_view field) {
    if (key == "type") {
        return take_type(value);
    }
    if (key == "from") {
        mount_.from = std::move(value);
    } else if (key == "source" || key == "src") {
        mount_.source = std::move(value);
    } else if (key == "target" || key == "dst" || key == "destination") {
        mount_.target = std::move(value);
    } else if (key == "readonly" || key == "ro") {
        TRY(read_only_, parse_switch(key, value));
    } else if (key == "readwrite" || key == "rw") {
        TRY(const bool writable, parse_switch(key, value));
        read_only_ = !writable;
    } else if (key == "required") {
        return set_required(key, value);
    } else if (key == "size") {
        return take_size(value);
    } else if (key == "id") {
        mount_.id = std::move(value);
    } else if (key == "sharing") {
        return take_sharing(value);
    } else if (key == "mode" || key == "uid" || key == "gid") {
        return take_number(key, value);
    } else if (key == "env") {
        mount_.variable = std::move(value);
    } else {
        const std::vector<std::string> known(kKeys.begin(), kKeys.end());
        return fail(invalid(
            fmt::format("unexpected key '{}' in '{}'{}", key, field, did_you_mean(key, known))));
    }
    return {};
}

Result<void> MountParser::take_type(const std::string& value) {
    const auto type = find_named<Type>(kTypes, lower_case(value));
    if (!type) {
        return fail(invalid(fmt::format("unsupported mount type {}{}", quoted(value),
                                        suggestion<Type>(kTypes, value))));
    }
    mount_.type = *type;
    return {};
}

Result<void> MountParser::take_sharing(const std::string& value) {
    mount_.sharing = find_named<Sharing>(kSharings, lower_case(value));
    if (!mount_.sharing) {
        return fail(invalid(fmt::format("unsupported sharing value {}{}", quoted(value),
                                        suggestion<Sharing>(kSharings, value))));
    }
    return {};
}

Result<void> MountParser::take_size(std::string_view value) {
    if (mount_.type != Type::tmpfs) {
        return fail(unexpected("size"));
    }
    const auto size = parse_size(value);
    if (!size) {
        return fail(invalid(fmt::format("invalid value for size: {}", value)));
    }
    mount_.size_bytes = *size;
    return {};
}

Result<void> MountParser::take_number(std::string_view key, std::string_view value) {
    const auto number = parse_number(value, key == "mode" ? 8 : 10);
    if (!number) {
        return fail(invalid(fmt::format("invalid value {} for {}", value, key)));
    }
    (key == "mode" ? mount_.mode : key == "uid" ? mount_.uid : mount_.gid) = *number;
    return {};
}

Result<void> MountParser::set_required(std::string_view key, std::string_view value) {
    if (mount_.type != Type::secret && mount_.type != Type::ssh) {
        return fail(unexpected(key));
    }
    TRY(mount_.required, parse_switch(key, value));
    return {};
}

Result<MountOptions> MountParser::finish() {
    const Type type = mount_.type;
    if (type == Type::bind || type == Type::tmpfs) {
        const auto refused = mount_.mode ? "mode" : mount_.uid ? "uid" : mount_.gid ? "gid" : "";
        if (*refused != '\0') {
            return fail(invalid(
                fmt::format("{} not allowed for \"{}\" type mounts", refused, name_of(type))));
        }
    }
    mount_.read_only = read_only_.value_or(type != Type::cache && type != Type::tmpfs);
    if (type == Type::secret) {
        if (!mount_.from.empty()) {
            return fail(invalid("secret mount should not have a from"));
        }
        if (mount_.sharing) {
            return fail(invalid("secret mount should not define sharing"));
        }
        if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty()) {
            return fail(invalid("invalid secret mount. one of source, target required"));
        }
        if (!mount_.source.empty() && !mount_.id.empty()) {
            return fail(invalid("both source and id can't be set"));
        }
    }
    if (mount_.sharing && type != Type::cache) {
        return fail(invalid(fmt::format("invalid cache sharing set for {} mount", name_of(type))));
    }
    return std::move(mount_);
}

}  // namespace

std::string_view name_of(Type type) {
    return kTypes[static_cast<std::size_t>(type)].first;
}

Result<MountOptions> parse_mount(std::string_view text, const ExpandWord& expand) {
    TRY(const std::vector<std::string> fields, csv_fields(text));
    MountParser parser;
    for (const std::string& field : fields) {
        CHECK_OK(parser.take(field, expand));
    }
    return parser.finish();
}

Result<std::string> mount_from(std::string_view text) {
    TRY(const std::vector<std::string> fields, csv_fields(text));
    std::string from;
    for (const std::string_view field : fields) {
        const std::size_t equals = field.find('=');
        if (equals == field.npos || lower_case(field.substr(0, equals)) != "from") {
            continue;
        }
        from = field.substr(equals + 1);
        const std::size_t variable = from.find('$');
        if (variable != from.npos && variable + 1 != from.size()) {
            return fail(
                invalid("'from' doesn't support variable expansion, define alias stage instead"));
        }
    }
    return from;
}

Result<void> check_mount(std::string_view text) {
    CHECK_OK(mount_from(text));
    return {};
}

}  // namespace lazybuild::dockerfile
