// SPDX-License-Identifier: Apache-2.0
// One event per line on stderr, as key=value, which journald and people both read:
//   level=info msg="layer filled" layer=sha256:… seconds=1.2
// A failure is logged once, at the boundary that handles it, never where it is returned.
// Threads: any.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace lazybuild::log {

enum class Level { debug, info, warning, error };

/// One key=value of an event. Values are quoted when they need it.
struct Field {
    std::string_view key;
    std::string value;

    template <class T>
    Field(std::string_view field_key, const T& field_value)
        : key(field_key), value(fmt::format("{}", field_value)) {}
};

/// Events below `level` are dropped. The default is info.
void set_level(Level level);

void event(Level level, std::string_view message, std::initializer_list<Field> fields);

inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
    event(Level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
    event(Level::info, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
    event(Level::warning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
    event(Level::error, message, fields);
}

}  // namespace lazybuild::log
