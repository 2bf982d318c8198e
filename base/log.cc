// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <chrono>

namespace lazybuild::log {
namespace {

std::atomic<Level> threshold{Level::info};

std::string_view name_of(Level level) {
    switch (level) {
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::warning: return "warning";
        case Level::error: return "error";
    }
    return "unknown";
}

bool needs_quotes(std::string_view value) {
    if (value.empty()) {
        return true;
    }
    for (const char letter : value) {
        if (letter <= ' ' || letter == '"' || letter == '=' || letter == '\\' || letter == 0x7f) {
            return true;
        }
    }
    return false;
}

// Control characters are escaped, so that text from outside cannot forge a second event.
void append_value(std::string& line, std::string_view value) {
    if (!needs_quotes(value)) {
        line += value;
        return;
    }
    line += '"';
    for (const char letter : value) {
        if (letter == '"' || letter == '\\') {
            line += '\\';
            line += letter;
        } else if (letter == '\n') {
            line += "\\n";
        } else if (static_cast<unsigned char>(letter) < ' ' || letter == 0x7f) {
            line += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
        } else {
            line += letter;
        }
    }
    line += '"';
}

std::string timestamp() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    const std::time_t seconds = milliseconds / 1000;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                       milliseconds % 1000);
}

}  // namespace

void set_level(Level level) {
    threshold = level;
}

void event(Level level, std::string_view message, std::initializer_list<Field> fields) {
    if (level < threshold.load(std::memory_order_relaxed)) {
        return;
    }
    std::string line = fmt::format("time={} level={} msg=", timestamp(), name_of(level));
    append_value(line, message);
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    line += '\n';
    // One write per event keeps lines of several threads whole; a closed stderr is nobody's error.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace lazybuild::log
