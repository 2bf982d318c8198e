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
#include <set>
#include <utility>

#include "builder/cli/cache_contents.h"
#include "builder/cli/progress_plain.h"
#include "builder/cli/run_options.h"
#include "builder/image/session.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

using Kind = CacheItem::Kind;

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
        return fail(invalid("age " + text + ": want a number and s, m, h or d"));
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
                             {"name", item.name},
                             {"size", item.size_bytes},
                             {"lastUsed", item.used_s},
                             {"inUse", item.in_use}};
        if (item.kind == Kind::blob) {
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
        case Kind::lazy: return "reads of lazy layers";
        case Kind::blob: return item.needed ? "an image that is kept" : "an export";
        case Kind::git: return "a repository";
        case Kind::http: return "a URL";
        case Kind::index: return "files of contexts that were hashed";
        case Kind::build: return item.in_use ? "a build that runs" : "a build that was killed";
        case Kind::rest: return "records and directories";
        case Kind::layer:
        case Kind::mount:
        case Kind::record: break;
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
                            item.name.substr(0, 19), size_text(item.size_bytes),
                            item.in_use ? "now" : age_text(item.used_s, now), made_by);
    }
    return text + fmt::format("{} in all\n", size_text(total_bytes));
}

struct PruneRules {
    std::int64_t older_s = 0;      ///< 0: however young
    std::uint64_t keep_bytes = 0;  ///< of what was used last
    bool all = false;
    std::set<Kind> kinds;  ///< empty: any
};

Result<PruneRules> parse_rules(const CachePruneArgs& args) {
    PruneRules rules{.all = args.all};
    std::string older = args.older;
    for (const std::string& filter : args.filters) {
        const std::size_t equals = std::min(filter.find('='), filter.size());
        const std::string key = filter.substr(0, equals);
        const std::string value = filter.substr(std::min(equals + 1, filter.size()));
        if (key == "until") {
            older = value;
        } else if (key == "type") {
            TRY(const Kind kind, parse_kind(value));
            rules.kinds.insert(kind);
        } else {
            return fail(invalid("--filter " + filter + ": want type=KIND or until=AGE"));
        }
    }
    if (!older.empty()) {
        TRY(rules.older_s, parse_age(older));
    }
    if (!args.keep.empty()) {
        auto size = parse_size(args.keep);
        if (!size) {
            return fail(std::move(size).error().context("--keep"));
        }
        rules.keep_bytes = *size;
    }
    return rules;
}

/// Whether it may go at all.
bool is_chosen(const CacheItem& item, const PruneRules& rules, std::int64_t now) {
    const bool asked_for = rules.kinds.empty() ? item.kind != Kind::mount || rules.all
                                               : rules.kinds.contains(item.kind);
    const bool young = rules.older_s != 0 && now - item.used_s < rules.older_s;
    return asked_for && !young && !item.in_use && !item.needed && item.kind != Kind::rest;
}

// The last used come first, so what is kept comes before what goes.
Result<void> prune(layers::LayerStore& store, solve::Records& records, const PruneRules& rules,
                   image::Console& console) {
    TRY(const std::vector<CacheItem> items, cache_contents(store, records));
    const std::int64_t now = now_s();
    std::uint64_t kept_bytes = 0;
    std::uint64_t freed_bytes = 0;
    std::size_t busy = 0;
    for (const CacheItem& item : items) {
        const bool fits =
            kept_bytes < rules.keep_bytes && item.size_bytes <= rules.keep_bytes - kept_bytes;
        if (fits || !is_chosen(item, rules, now)) {
            kept_bytes += item.size_bytes;
            continue;
        }
        const auto removed = remove_item(item, store, records);
        if (!removed && removed.error().code != std::errc::device_or_resource_busy) {
            return removed;
        }
        busy += removed ? 0 : 1;
        (removed ? freed_bytes : kept_bytes) += item.size_bytes;
    }
    const auto shrunk = shrink_records(store);
    if (!shrunk && shrunk.error().code != std::errc::device_or_resource_busy) {
        return shrunk;
    }
    if (busy != 0) {
        console.note(fmt::format("{} of these cannot be removed while a build runs", busy));
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
    const auto rules = parse_rules(args);
    if (!rules) {
        return report_usage(console, kCommand, rules.error());
    }
    return with_cache(args.root, console, [&](auto& store, auto& records) {
        return prune(store, records, *rules, console);
    });
}

}  // namespace lazybuild::cli
