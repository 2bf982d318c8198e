// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/progress_rawjson.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "codec/json.h"
#include "codec/sha256.h"

namespace lazybuild::cli {
namespace {

using codec::Json;

std::string rfc3339(solve::Time time) {
    const auto since = time.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds);
    const std::time_t whole = seconds.count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(whole), rest.count());
}

// RFC 4648.
std::string base64(std::string_view text) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        std::uint32_t group = 0;
        const std::size_t count = std::min<std::size_t>(3, text.size() - i);
        for (std::size_t k = 0; k < 3; ++k) {
            group = (group << 8U) |
                    (k < count ? static_cast<std::uint8_t>(text[i + k]) : std::uint8_t{0});
        }
        for (std::size_t k = 0; k < 4; ++k) {
            out += k <= count ? kLetters[(group >> (18 - 6 * k)) & 0x3fU] : '=';
        }
    }
    return out;
}

// What names the task in all lines about it.
std::string digest_of(const TaskRecord& task) {
    return codec::sha256(as_bytes(fmt::format("{}\n{}", task.id, task.text))).text();
}

class RawJsonDisplay final : public Display {
  public:
    explicit RawJsonDisplay(image::Console& console) : console_(console) {}

    void began(const TaskRecord& task) override { say("vertexes", vertex(task)); }
    void ended(const TaskRecord& task) override { say("vertexes", vertex(task)); }
    void line(const TaskRecord& task, std::string_view text) override {
        say("logs", {{"vertex", digest_of(task)},
                     {"stream", 1},
                     {"data", base64(std::string(text) + "\n")},
                     {"timestamp", rfc3339(std::chrono::system_clock::now())}});
    }
    void advanced(const TaskRecord& task) override {
        say("statuses", {{"id", task.advancing},
                         {"vertex", digest_of(task)},
                         {"current", task.advanced},
                         {"total", task.advance_total},
                         {"timestamp", rfc3339(std::chrono::system_clock::now())}});
    }
    void warned(std::string_view message) override {
        say("warnings", {{"level", 1}, {"short", base64(message)}});
    }
    void clipped(const TaskRecord& task) override { line(task, "[output clipped]"); }
    void finish() override {}

  private:
    static Json vertex(const TaskRecord& task) {
        Json json = {
            {"digest", digest_of(task)}, {"name", task.text}, {"started", rfc3339(task.began)}};
        if (task.report) {
            json["fetchedBytes"] = task.report->fetched_bytes;
        }
        if (task.ended) {
            json["completed"] = rfc3339(*task.ended);
            if (task.outcome == solve::Outcome::cached) {
                json["cached"] = true;
            }
            if (task.outcome != solve::Outcome::done && task.outcome != solve::Outcome::cached) {
                json["error"] = task.error.empty() ? "canceled" : task.error;
            }
        }
        return json;
    }

    void say(const char* what, Json value) {
        console_.note(codec::json_text(Json{{what, Json::array({std::move(value)})}}));
    }

    image::Console& console_;
};

}  // namespace

std::unique_ptr<Display> rawjson_display(image::Console& console) {
    return std::make_unique<RawJsonDisplay>(console);
}

}  // namespace lazybuild::cli
