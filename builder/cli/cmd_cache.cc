// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_cache.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "builder/cli/build_options.h"
#include "builder/cli/cache_contents.h"
#include "builder/cli/progress_plain.h"
#include "builder/image/session.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kCommand = "cache";

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

// "90s", "30m", "24h", "7d": seconds.
Result<std::int64_t> parse_age(const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string unit(end, static_cast<const char*>(text.data() + text.size()));
    const std::int64_t seconds = unit == "s"   ? 1
                                 : unit == "m" ? 60
                                 : unit == "h" ? 3600
                                 : unit == "d" ? 86400
                                               : 0;
    constexpr std::int64_t kNumberMax = 1'000'000'000;
    if (error != std::errc{} || seconds == 0 || number < 0 || number > kNumberMax) {
        return fail(invalid("--older " + text + ": want a number and s, m, h or d"));
    }
    return number * seconds;
}

std::string age_text(std::int64_t used_s, std::int64_t now) {
    const std::int64_t age_s = std::max<std::int64_t>(now - used_s, 0);
    if (age_s < 3600) {
        return fmt::format("{} min ago", age_s / 60);
    }
    return age_s < 2 * 86400 ? fmt::format("{} h ago", age_s / 3600)
                             : fmt::format("{} d ago", age_s / 86400);
}

std::string name_of(const CacheItem& item) {
    return item.kind == CacheItem::Kind::lazy ? std::to_string(item.slot) : item.digest.text();
}

using Work = std::function<Result<void>(layers::LayerStore&, solve::Records&)>;

ExitCode with_cache(const std::string& root, image::Console& console, const Work& work) {
    auto session = image::Session::open({}, console);
    if (!session) {
        return report_failure(console, kCommand, session.error());
    }
    const auto done = (*session)->run_blocking([&]() -> Result<void> {
        TRY(const auto store, layers::LayerStore::open(root, **session));
        TRY(const auto records, solve::Records::open(root));
        return work(*store, *records);
    });
    return done ? ExitCode::done : report_failure(console, kCommand, done.error());
}

std::string list_json(const std::vector<CacheItem>& items) {
    codec::Json list = codec::Json::array();
    for (const CacheItem& item : items) {
        codec::Json entry = {{"kind", kind_name(item.kind)},
                             {"name", name_of(item)},
                             {"size", item.size_bytes},
                             {"lastUsed", item.used_s},
                             {"inUse", item.in_use}};
        if (item.kind == CacheItem::Kind::blob) {
            entry["needed"] = item.needed;
        }
        if (!item.texts.empty()) {
            entry["steps"] = item.texts;
        }
        list.push_back(std::move(entry));
    }
    return codec::json_pretty(list);
}

std::string made_by_text(const CacheItem& item) {
    switch (item.kind) {
        case CacheItem::Kind::lazy: return "reads of lazy layers";
        case CacheItem::Kind::blob: return item.needed ? "an image that is kept" : "an export";
        case CacheItem::Kind::layer: break;
    }
    return item.texts.empty() ? "an image, or a step without a record"
                              : fmt::format("{}", fmt::join(item.texts, "; "));
}

std::string list_text(const std::vector<CacheItem>& items) {
    std::string text = fmt::format("{:<6} {:<19} {:>10} {:>12}  {}\n", "KIND", "NAME", "SIZE",
                                   "LAST USED", "MADE BY");
    const std::int64_t now = now_s();
    std::uint64_t total_bytes = 0;
    for (const CacheItem& item : items) {
        total_bytes += item.size_bytes;
        const std::string made_by = made_by_text(item);
        text += fmt::format("{:<6} {:<19} {:>10} {:>12}  {}\n", kind_name(item.kind),
                            name_of(item).substr(0, 19), size_text(item.size_bytes),
                            item.in_use ? "now" : age_text(item.used_s, now), made_by);
    }
    return text + fmt::format("{} in all\n", size_text(total_bytes));
}

// The last used come first, so what is kept comes before what goes.
Result<void> prune(layers::LayerStore& store, solve::Records& records, std::int64_t older_s,
                   std::uint64_t keep_bytes, image::Console& console) {
    TRY(const std::vector<CacheItem> items, cache_contents(store, records));
    const std::int64_t now = now_s();
    std::uint64_t kept_bytes = 0;
    std::uint64_t freed_bytes = 0;
    for (const CacheItem& item : items) {
        const bool young = older_s != 0 && now - item.used_s < older_s;
        const bool fits = item.size_bytes <= keep_bytes - std::min(keep_bytes, kept_bytes);
        if (item.in_use || item.needed || young || fits) {
            kept_bytes += item.size_bytes;
            continue;
        }
        const auto removed = remove_item(item, store, records);
        if (!removed && removed.error().code != std::errc::device_or_resource_busy) {
            return removed;
        }
        (removed ? freed_bytes : kept_bytes) += item.size_bytes;
    }
    console.out(fmt::format("{} freed, {} kept\n", size_text(freed_bytes), size_text(kept_bytes)));
    return {};
}

}  // namespace

ExitCode run(const CacheListArgs& args, image::Console& console) {
    return with_cache(args.root, console, [&](auto& store, auto& records) -> Result<void> {
        TRY(const std::vector<CacheItem> items, cache_contents(store, records));
        console.out(args.json ? list_json(items) : list_text(items));
        return {};
    });
}

ExitCode run(const CachePruneArgs& args, image::Console& console) {
    std::int64_t older_s = 0;
    std::uint64_t keep_bytes = 0;
    if (!args.older.empty()) {
        const auto age = parse_age(args.older);
        if (!age) {
            return report_usage(console, kCommand, age.error());
        }
        older_s = *age;
    }
    if (!args.keep.empty()) {
        const auto size = parse_size(args.keep);
        if (!size) {
            return report_usage(console, kCommand, size.error().context("--keep"));
        }
        keep_bytes = *size;
    }
    return with_cache(args.root, console, [&](auto& store, auto& records) {
        return prune(store, records, older_s, keep_bytes, console);
    });
}

}  // namespace lazybuild::cli
