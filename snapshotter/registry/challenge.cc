// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/challenge.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <utility>

#include "snapshotter/registry/text.h"

namespace lazybuild::registry {
namespace {

constexpr std::size_t kParametersMax = 32;

// Walks over "Scheme key=value, key="quoted \" value", Scheme2 …". A word followed by '=' is a
// parameter, a word followed by anything else begins the next challenge.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }

    void skip_separators() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t,"), rest_.size()));
    }

    // Up to a separator, '=' or a quote.
    std::string_view word() {
        const std::size_t size = std::min(rest_.find_first_of(" \t,=\""), rest_.size());
        const std::string_view result = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return result;
    }

    // Spaces may stand around '='.
    bool take_equals() {
        const std::size_t start = std::min(rest_.find_first_not_of(" \t"), rest_.size());
        if (start == rest_.size() || rest_[start] != '=') {
            return false;
        }
        rest_.remove_prefix(start + 1);
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
        return true;
    }

    std::string value() {
        if (!rest_.starts_with('"')) {
            const std::size_t size = std::min(rest_.find_first_of(" \t,"), rest_.size());
            std::string result(rest_.substr(0, size));
            rest_.remove_prefix(size);
            return result;
        }
        rest_.remove_prefix(1);
        std::string result;
        while (!rest_.empty() && rest_.front() != '"') {
            const bool is_escape = rest_.front() == '\\' && rest_.size() > 1;
            result += rest_[is_escape ? 1 : 0];
            rest_.remove_prefix(is_escape ? 2 : 1);
        }
        rest_.remove_prefix(std::min<std::size_t>(1, rest_.size()));
        return result;
    }

    // Steps over a byte that fits nowhere, so that the walk always ends.
    void skip_byte() { rest_.remove_prefix(std::min<std::size_t>(1, rest_.size())); }

  private:
    std::string_view rest_;
};

struct RawChallenge {
    std::string scheme;
    std::vector<std::pair<std::string, std::string>> parameters;

    std::string parameter(std::string_view name) const {
        const auto found =
            std::ranges::find(parameters, name, &std::pair<std::string, std::string>::first);
        return found == parameters.end() ? std::string{} : found->second;
    }
};

std::vector<RawChallenge> scan(std::string_view text) {
    std::vector<RawChallenge> challenges;
    Scanner scanner(text);
    scanner.skip_separators();
    while (!scanner.at_end()) {
        const std::string_view word = scanner.word();
        if (word.empty()) {
            scanner.skip_byte();
        } else if (!scanner.take_equals()) {
            challenges.push_back({lower_case(word), {}});
        } else {
            std::string value = scanner.value();
            const bool has_room =
                !challenges.empty() && challenges.back().parameters.size() < kParametersMax;
            if (has_room) {
                challenges.back().parameters.emplace_back(lower_case(word), std::move(value));
            }
        }
        scanner.skip_separators();
    }
    return challenges;
}

}  // namespace

std::optional<Challenge> choose_challenge(const std::vector<std::string_view>& fields) {
    std::optional<Challenge> basic;
    for (const std::string_view field : fields) {
        for (const RawChallenge& raw : scan(field)) {
            if (raw.scheme == "bearer" && !raw.parameter("realm").empty()) {
                return Challenge{.scheme = Challenge::Scheme::bearer,
                                 .realm = raw.parameter("realm"),
                                 .service = raw.parameter("service"),
                                 .scope = raw.parameter("scope")};
            }
            if (raw.scheme == "basic" && !basic) {
                basic = Challenge{.scheme = Challenge::Scheme::basic,
                                  .realm = raw.parameter("realm"),
                                  .service = {},
                                  .scope = {}};
            }
        }
    }
    return basic;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text,
                                                      std::chrono::system_clock::time_point now) {
    // Nobody means more than a day, and a larger number could overflow a deadline.
    constexpr std::int64_t kSecondsMax = 86'400;
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    const bool is_number = !text.empty() && end == text.data() + text.size();
    if (is_number && error == std::errc{}) {
        return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kSecondsMax));
    }
    if (is_number && error == std::errc::result_out_of_range) {
        return std::chrono::seconds(kSecondsMax);
    }
    std::tm date{};
    const std::string date_text(text);
    // IMF-fixdate; the program keeps the "C" locale, so the names are the English ones.
    const char* date_end = strptime(date_text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
    if (date_end == nullptr || *date_end != '\0') {
        return std::nullopt;
    }
    const std::int64_t now_s =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const std::int64_t date_s = timegm(&date);
    return std::chrono::seconds(std::clamp<std::int64_t>(date_s - now_s, 0, kSecondsMax));
}

}  // namespace lazybuild::registry
