// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace lazybuild::codec {
namespace {

namespace chrono = std::chrono;

constexpr chrono::sys_seconds kFirst = chrono::sys_days{chrono::year{0} / 1 / 1};
constexpr chrono::sys_seconds kLast =
    chrono::sys_seconds{chrono::sys_days{chrono::year{10000} / 1 / 1}} - chrono::seconds{1};

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Takes a text apart from the left. Once something did not fit, good() stays false.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    int digits(std::size_t count) {
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            good_ = good_ && i < rest_.size() && is_digit(rest_[i]);
            value = good_ ? value * 10 + (rest_[i] - '0') : 0;
        }
        rest_.remove_prefix(good_ ? count : 0);
        return value;
    }
    bool maybe(char expected) {
        const bool there = rest_.starts_with(expected);
        rest_.remove_prefix(there ? 1 : 0);
        return there;
    }
    void literal(char expected) { good_ = maybe(expected) && good_; }
    void skip_digits() {
        digits(1);
        while (!rest_.empty() && is_digit(rest_.front())) {
            rest_.remove_prefix(1);
        }
    }
    bool good() const { return good_; }
    bool at_end() const { return rest_.empty(); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

/// "Z", "+02:00" or "-02:00", as what is to be taken from the local time.
chrono::minutes scan_offset(Scanner& scanner) {
    if (scanner.maybe('Z')) {
        return chrono::minutes{0};
    }
    const bool east = scanner.maybe('+');
    if (!east) {
        scanner.literal('-');
    }
    const chrono::hours hours{scanner.digits(2)};
    scanner.literal(':');
    const chrono::minutes offset = hours + chrono::minutes{scanner.digits(2)};
    return east ? offset : -offset;
}

}  // namespace

Result<std::int64_t> parse_rfc3339(std::string_view text) {
    Scanner scanner(text);
    const chrono::year year{scanner.digits(4)};
    scanner.literal('-');
    const chrono::month month{static_cast<unsigned>(scanner.digits(2))};
    scanner.literal('-');
    const chrono::day day{static_cast<unsigned>(scanner.digits(2))};
    scanner.literal('T');
    const chrono::hours hours{scanner.digits(2)};
    scanner.literal(':');
    const chrono::minutes minutes{scanner.digits(2)};
    scanner.literal(':');
    const chrono::seconds seconds{scanner.digits(2)};
    if (scanner.maybe('.')) {
        scanner.skip_digits();
    }
    const chrono::minutes offset = scan_offset(scanner);
    const chrono::year_month_day date{year, month, day};
    if (!scanner.good() || !scanner.at_end() || !date.ok() || hours >= chrono::days{1} ||
        minutes >= chrono::hours{1} || seconds >= chrono::minutes{1}) {
        constexpr std::size_t kShownBytesMax = 40;
        return fail(
            corrupt(fmt::format("not a time of RFC 3339: \"{}\"", text.substr(0, kShownBytesMax))));
    }
    const chrono::sys_seconds time = chrono::sys_days{date} + hours + minutes + seconds - offset;
    return time.time_since_epoch().count();
}

std::string format_rfc3339(std::int64_t time_s) {
    const chrono::sys_seconds time =
        std::clamp(chrono::sys_seconds{chrono::seconds{time_s}}, kFirst, kLast);
    const chrono::sys_days midnight = chrono::floor<chrono::days>(time);
    const chrono::year_month_day date{midnight};
    const chrono::hh_mm_ss clock{time - midnight};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", int{date.year()},
                       unsigned{date.month()}, unsigned{date.day()}, clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count());
}

}  // namespace lazybuild::codec
