// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"

namespace lazybuild {

Result<std::vector<std::string>> split_fields(std::string_view text) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char letter = text[i];
        if (quoted && letter == '"' && i + 1 < text.size() && text[i + 1] == '"') {
            fields.back() += text[++i];
        } else if (letter == '"' && (quoted || fields.back().empty())) {
            quoted = !quoted;
        } else if (letter == ',' && !quoted) {
            fields.emplace_back();
        } else {
            fields.back() += letter;
        }
    }
    if (quoted) {
        return fail(invalid(std::string{text} + ": a quote is not closed"));
    }
    return fields;
}

}  // namespace lazybuild
