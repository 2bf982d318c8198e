// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_edit.h"

#include <nlohmann/json.hpp>

namespace lazybuild::codec {

Json original_object(const std::string& original) {
    if (original.empty()) {
        return Json::object();
    }
    Json object = Json::parse(original, nullptr, /*allow_exceptions=*/false);
    ASSERT(object.is_object());  // only what was parsed is ever kept as `original`
    return object;
}

void set_text(Json& object, std::string_view member, const std::string& value) {
    const std::string name{member};
    if (!value.empty()) {
        object[name] = value;
        return;
    }
    const auto found = object.find(name);
    if (found != object.end() && found->is_string() && *found != "") {
        object.erase(found);
    }
}

void set_text_map(Json& object, std::string_view member, const StringMap& value) {
    const std::string name{member};
    const auto found = object.find(name);
    if (value.empty()) {
        if (found != object.end() && found->is_object() && !found->empty()) {
            object.erase(found);
        }
        return;
    }
    Json map = Json::object();
    if (found != object.end() && found->is_object()) {
        for (const auto& [key, text] : found->items()) {
            if (value.contains(key)) {
                map[key] = text;  // what stays, stays in its place
            }
        }
    }
    for (const auto& [key, text] : value) {
        map[key] = text;
    }
    object[name] = std::move(map);
}

}  // namespace lazybuild::codec
