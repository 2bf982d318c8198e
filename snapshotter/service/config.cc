// SPDX-License-Identifier: Apache-2.0
// The only file that includes toml++, header-only, because the library that distributions ship is
// built to throw.
#include "snapshotter/service/config.h"

#include <fmt/format.h>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"

namespace lazybuild::service {
namespace {

/// Takes a value into a Config, or says what it should have been ("expected …").
using Setter = std::function<std::optional<std::string>(const toml::node&, Config&)>;

template <class Member>
Setter text_key(Member member) {
    return [member](const toml::node& node, Config& config) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (!value) {
            return "expected a string";
        }
        std::invoke(member, config) = *value;
        return std::nullopt;
    };
}

template <class Member>
Setter bool_key(Member member) {
    return [member](const toml::node& node, Config& config) -> std::optional<std::string> {
        const auto value = node.value_exact<bool>();
        if (!value) {
            return "expected true or false";
        }
        std::invoke(member, config) = *value;
        return std::nullopt;
    };
}

/// A whole number from `low` to `high`, in units of `Unit`: a chrono duration, or an integer type.
template <class Unit, class Member>
Setter number_key(Member member, std::int64_t low, std::int64_t high) {
    return [=](const toml::node& node, Config& config) -> std::optional<std::string> {
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < low || *value > high) {
            return fmt::format("expected a whole number from {} to {}", low, high);
        }
        std::invoke(member, config) = static_cast<Unit>(*value);
        return std::nullopt;
    };
}

std::optional<std::string> set_log_level(const toml::node& node, Config& config) {
    constexpr std::pair<std::string_view, log::Level> kLevels[] = {{"debug", log::Level::debug},
                                                                   {"info", log::Level::info},
                                                                   {"warning", log::Level::warning},
                                                                   {"error", log::Level::error}};
    const auto value = node.value_exact<std::string>();
    for (const auto& [name, level] : kLevels) {
        if (value == name) {
            config.log_level = level;
            return std::nullopt;
        }
    }
    return "expected \"debug\", \"info\", \"warning\" or \"error\"";
}

std::optional<std::string> set_erofs_mounts(const toml::node& node, Config& config) {
    const auto value = node.value_exact<std::string>();
    if (value == "auto") {
        config.erofs_mounts.reset();
    } else if (value == "file") {
        config.erofs_mounts = fuse::ErofsBacking::file;
    } else if (value == "loop") {
        config.erofs_mounts = fuse::ErofsBacking::loop;
    } else {
        return "expected \"auto\", \"file\" or \"loop\"";
    }
    return std::nullopt;
}

std::optional<std::string> set_trust(const toml::node& node, Config& config) {
    const auto value = node.value_exact<std::string>();
    if (value != "manifest" && value != "verified") {
        return "expected \"manifest\" or \"verified\"";
    }
    config.fetch.verify_first = value == "verified";
    return std::nullopt;
}

std::optional<std::string> set_plain_layers(const toml::node& node, Config& config) {
    const auto value = node.value_exact<std::string>();
    if (value != "pass" && value != "claim") {
        return "expected \"pass\" or \"claim\"";
    }
    config.claim_plain_layers = value == "claim";
    return std::nullopt;
}

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

/// Every key there is, as "section.key".
const std::map<std::string, Setter>& keys() {
    constexpr std::int64_t kSecondsMax = 3600;
    constexpr std::int64_t kMillisecondsMax = 3'600'000;
    static const std::map<std::string, Setter> all = {
        {"root", text_key(&Config::root)},
        {"address", text_key(&Config::address)},
        {"keeper", text_key(&Config::keeper)},
        {"log_level", set_log_level},
        {"prepare_timeout_s", number_key<Seconds>(&Config::prepare_timeout, 1, kSecondsMax)},
        {"erofs_mounts", set_erofs_mounts},
        {"trust", set_trust},
        {"plain_layers", set_plain_layers},
        {"registry.docker_config",
         text_key([](Config& config) -> auto& { return config.registry.auth_file; })},
        {"registry.plain_http",
         bool_key([](Config& config) -> auto& { return config.registry.plain_http; })},
        {"registry.tls_verify",
         bool_key([](Config& config) -> auto& { return config.registry.tls_verify; })},
        {"registry.certificate_directory",
         text_key([](Config& config) -> auto& { return config.registry.certificate_directory; })},
        {"registry.connections_per_host",
         number_key<std::size_t>(
             [](Config& config) -> auto& { return config.registry.connections_per_host; }, 1, 256)},
        {"registry.connect_timeout_s",
         number_key<Seconds>(
             [](Config& config) -> auto& { return config.registry.connect_timeout; }, 1,
             kSecondsMax)},
        {"registry.idle_timeout_s",
         number_key<Seconds>([](Config& config) -> auto& { return config.registry.idle_timeout; },
                             1, kSecondsMax)},
        {"fetch.read_timeout_s",
         number_key<Seconds>([](Config& config) -> auto& { return config.fetch.read_timeout; }, 1,
                             kSecondsMax)},
        {"fetch.prefetch", bool_key([](Config& config) -> auto& { return config.fetch.prefetch; })},
        {"fetch.background_fill",
         bool_key([](Config& config) -> auto& { return config.fetch.background_fill; })},
        {"fetch.fill_quiet_ms",
         number_key<Milliseconds>([](Config& config) -> auto& { return config.fetch.fill_quiet; },
                                  0, kMillisecondsMax)},
        {"fetch.fetches_max",
         number_key<std::size_t>([](Config& config) -> auto& { return config.fetch.fetches_max; },
                                 1, 1024)},
        {"fetch.fills_max",
         number_key<std::size_t>([](Config& config) -> auto& { return config.fetch.fills_max; }, 1,
                                 1024)},
    };
    return all;
}

bool is_section(const std::string& name) {
    return std::ranges::any_of(
        keys(), [&name](const auto& key) { return key.first.starts_with(name + "."); });
}

std::string place_of(std::string_view file_name, const toml::source_region& source) {
    return fmt::format("{}:{}", file_name, source.begin.line);
}

class Reader {
  public:
    explicit Reader(std::string_view file_name) : file_name_(file_name) {}

    Result<void> read_table(const toml::table& table, const std::string& prefix) {
        for (const auto& [key, node] : table) {
            const std::string name = prefix + std::string{key.str()};
            const auto known = keys().find(name);
            if (known != keys().end()) {
                if (const auto problem = known->second(node, parsed_.config); problem) {
                    return fail(invalid(fmt::format(
                        "{}: {}: {}", place_of(file_name_, node.source()), name, *problem)));
                }
            } else if (prefix.empty() && node.is_table() && is_section(name)) {
                CHECK_OK(read_table(*node.as_table(), name + "."));
            } else if (prefix.empty() && is_section(name)) {
                return fail(invalid(fmt::format("{}: {}: expected a section, [{}]",
                                                place_of(file_name_, node.source()), name, name)));
            } else {
                parsed_.warnings.push_back(
                    fmt::format("{}: unknown key {}", place_of(file_name_, key.source()), name));
            }
        }
        return {};
    }

    ParsedConfig take() { return std::move(parsed_); }

  private:
    std::string_view file_name_;
    ParsedConfig parsed_;
};

/// Paths below the root become overlayfs options, where these characters separate.
bool fits_mount_options(const std::string& path) {
    return std::ranges::none_of(path, [](char character) {
        return character == ',' || character == ':' || character == '\\' || character == '"' ||
               static_cast<unsigned char>(character) <= ' ' || character == '\x7f';
    });
}

}  // namespace

Result<ParsedConfig> parse_config(std::string_view text, std::string_view file_name) {
    const toml::parse_result result = toml::parse(text);
    if (!result) {
        return fail(invalid(fmt::format("{}: {}", place_of(file_name, result.error().source()),
                                        result.error().description())));
    }
    Reader reader{file_name};
    CHECK_OK(reader.read_table(result.table(), ""));
    return reader.take();
}

Result<ParsedConfig> read_config(const std::string& path) {
    TRY(const std::string text, read_file(path, kConfigBytesMax));
    return parse_config(text, path);
}

Result<void> check_config(const Config& config) {
    if (!config.root.starts_with('/') || config.root.size() < 2 || config.root.ends_with('/')) {
        return fail(
            invalid(fmt::format("root must be an absolute path without a slash at its end, "
                                "not {:?}",
                                config.root)));
    }
    if (!fits_mount_options(config.root)) {
        return fail(
            invalid(fmt::format("root {:?} has a space or one of , : \\ \" in it, which "
                                "overlayfs cannot mount",
                                config.root)));
    }
    if (config.keeper != kNoKeeper && !config.keeper.starts_with('/')) {
        return fail(invalid(fmt::format("keeper must be an absolute path, or {}, not {:?}",
                                        kNoKeeper, config.keeper)));
    }
    if (!config.address.starts_with('/')) {
        return fail(
            invalid(fmt::format("address must be an absolute path, not {:?}", config.address)));
    }
    return {};
}

}  // namespace lazybuild::service
