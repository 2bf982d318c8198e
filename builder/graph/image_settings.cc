// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/image_settings.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "codec/json.h"

namespace lazybuild::graph {
namespace {

using codec::JsonPlace;

// Written sorted by name, whatever order they were read in.
using Sorted = nlohmann::json;

// Docker's, about the container and the image that a layer was committed from.
constexpr std::array kStaleMembers = {"id", "parent", "container", "container_config",
                                      "docker_version"};
constexpr const char* kInlineCache = "moby.buildkit.cache.v0";
constexpr std::array kStaleConfigMembers = {
    "Hostname",  "Domainname", "AttachStdin", "AttachStdout", "AttachStderr",   "Tty",
    "OpenStdin", "StdinOnce",  "Image",       "MacAddress",   "NetworkDisabled"};

Result<bool> flag(const JsonPlace& place, std::string_view member) {
    const auto found = place.find(member);
    if (!found) {
        return false;
    }
    if (!found->value().is_boolean()) {
        return fail(found->error("neither true nor false"));
    }
    return found->value().get<bool>();
}

Result<std::int64_t> number(const JsonPlace& place, std::string_view member) {
    const auto found = place.find(member);
    if (!found) {
        return 0;
    }
    if (!found->value().is_number_integer()) {
        return fail(found->error("not a whole number"));
    }
    return found->value().get<std::int64_t>();
}

Result<std::optional<std::vector<std::string>>> command(const JsonPlace& place,
                                                        std::string_view member) {
    if (!place.find(member)) {
        return std::optional<std::vector<std::string>>{};
    }
    TRY(std::vector<std::string> words, place.text_array_or_empty(member));
    return std::optional{std::move(words)};
}

// The names of an object that stands for a set; sorted.
Result<std::vector<std::string>> name_set(const JsonPlace& place, std::string_view member) {
    const auto found = place.find(member);
    if (!found) {
        return std::vector<std::string>{};
    }
    TRY(std::vector<std::string> names, found->member_names());
    std::ranges::sort(names);
    return names;
}

Result<void> parse_health(const JsonPlace& config, ImageSettings& settings) {
    const auto place = config.find("Healthcheck");
    if (!place) {
        return {};
    }
    if (!place->is_object()) {
        return fail(place->error("not an object"));
    }
    Health health;
    TRY(health.test, place->text_array_or_empty("Test"));
    TRY(health.interval_ns, number(*place, "Interval"));
    TRY(health.timeout_ns, number(*place, "Timeout"));
    TRY(health.start_period_ns, number(*place, "StartPeriod"));
    TRY(health.start_interval_ns, number(*place, "StartInterval"));
    TRY(health.retries, number(*place, "Retries"));
    settings.health = std::move(health);
    return {};
}

Result<void> parse_config(const JsonPlace& document, ImageSettings& settings) {
    const auto config = document.find("config");
    if (!config) {
        return {};
    }
    if (!config->is_object()) {
        return fail(config->error("not an object"));
    }
    TRY(settings.user, config->text_or_empty("User"));
    TRY(settings.working_directory, config->text_or_empty("WorkingDir"));
    TRY(settings.environment, config->text_array_or_empty("Env"));
    TRY(settings.entrypoint, command(*config, "Entrypoint"));
    TRY(settings.command, command(*config, "Cmd"));
    TRY(settings.args_escaped, flag(*config, "ArgsEscaped"));
    TRY(settings.exposed_ports, name_set(*config, "ExposedPorts"));
    TRY(settings.volumes, name_set(*config, "Volumes"));
    TRY(settings.labels, config->text_map_or_empty("Labels"));
    TRY(settings.stop_signal, config->text_or_empty("StopSignal"));
    TRY(settings.shell, config->text_array_or_empty("Shell"));
    TRY(settings.onbuild, config->text_array_or_empty("OnBuild"));
    return parse_health(*config, settings);
}

Result<void> parse_history(const JsonPlace& document, ImageSettings& settings) {
    const auto history = document.find("history");
    if (!history) {
        return {};
    }
    TRY(const std::vector<JsonPlace> entries, history->array());
    for (const JsonPlace& entry : entries) {
        if (!entry.is_object()) {
            return fail(entry.error("not an object"));
        }
        History parsed;
        TRY(parsed.created, entry.text_or_empty("created"));
        TRY(parsed.created_by, entry.text_or_empty("created_by"));
        TRY(parsed.comment, entry.text_or_empty("comment"));
        TRY(parsed.author, entry.text_or_empty("author"));
        TRY(parsed.empty_layer, flag(entry, "empty_layer"));
        settings.history.push_back(std::move(parsed));
    }
    return {};
}

void set_text(Sorted& object, const char* member, const std::string& value) {
    if (value.empty()) {
        object.erase(member);
    } else {
        object[member] = value;
    }
}

void set_list(Sorted& object, const char* member, const std::vector<std::string>& value) {
    if (value.empty()) {
        object.erase(member);
    } else {
        object[member] = value;
    }
}

void set_names(Sorted& object, const char* member, const std::vector<std::string>& names) {
    object.erase(member);
    for (const std::string& name : names) {
        object[member][name] = Sorted::object();
    }
}

void set_number(Sorted& object, const char* member, std::int64_t value) {
    if (value != 0) {
        object[member] = value;
    }
}

void write_config(Sorted& config, const ImageSettings& settings) {
    for (const char* member : kStaleConfigMembers) {
        config.erase(member);
    }
    set_text(config, "User", settings.user);
    set_text(config, "WorkingDir", settings.working_directory);
    set_list(config, "Env", settings.environment);
    set_list(config, "Entrypoint", settings.entrypoint.value_or(std::vector<std::string>{}));
    set_list(config, "Cmd", settings.command.value_or(std::vector<std::string>{}));
    config.erase("ArgsEscaped");
    if (settings.args_escaped) {
        config["ArgsEscaped"] = true;
    }
    set_names(config, "ExposedPorts", settings.exposed_ports);
    set_names(config, "Volumes", settings.volumes);
    config.erase("Labels");
    if (!settings.labels.empty()) {
        config["Labels"] = settings.labels;
    }
    set_text(config, "StopSignal", settings.stop_signal);
    set_list(config, "Shell", settings.shell);
    set_list(config, "OnBuild", settings.onbuild);
    config.erase("Healthcheck");
    if (settings.health) {
        Sorted& health = config["Healthcheck"] = Sorted::object();
        set_list(health, "Test", settings.health->test);
        set_number(health, "Interval", settings.health->interval_ns);
        set_number(health, "Timeout", settings.health->timeout_ns);
        set_number(health, "StartPeriod", settings.health->start_period_ns);
        set_number(health, "StartInterval", settings.health->start_interval_ns);
        set_number(health, "Retries", settings.health->retries);
    }
}

Sorted history_json(const std::vector<History>& history) {
    Sorted entries = Sorted::array();
    for (const History& entry : history) {
        Sorted written = Sorted::object();
        set_text(written, "created", entry.created);
        set_text(written, "created_by", entry.created_by);
        set_text(written, "comment", entry.comment);
        set_text(written, "author", entry.author);
        if (entry.empty_layer) {
            written["empty_layer"] = true;
        }
        entries.push_back(std::move(written));
    }
    return entries;
}

}  // namespace

Result<ImageSettings> ImageSettings::parse(ByteView config) {
    TRY(const codec::JsonDocument document, codec::JsonDocument::parse(config, "config"));
    const JsonPlace place = document.root();
    ImageSettings settings;
    TRY(settings.platform.os, place.text_or_empty("os"));
    TRY(settings.platform.architecture, place.text_or_empty("architecture"));
    TRY(settings.platform.variant, place.text_or_empty("variant"));
    TRY(settings.platform.os_version, place.text_or_empty("os.version"));
    TRY(settings.author, place.text_or_empty("author"));
    CHECK_OK(parse_config(place, settings));
    CHECK_OK(parse_history(place, settings));
    settings.original = codec::json_text(place.value());
    return settings;
}

std::string serialize(const ImageSettings& settings, const std::vector<codec::Digest>& diff_ids,
                      const std::string& created, const std::string& inline_cache) {
    Sorted object = Sorted::parse(settings.original, nullptr, false);
    if (!object.is_object()) {
        object = Sorted::object();
    }
    for (const char* member : kStaleMembers) {
        object.erase(member);
    }
    object["os"] = settings.platform.os;
    object["architecture"] = settings.platform.architecture;
    set_text(object, "variant", settings.platform.variant);
    set_text(object, "os.version", settings.platform.os_version);
    set_text(object, "author", settings.author);
    set_text(object, "created", created);
    set_text(object, kInlineCache, inline_cache);
    if (!object["config"].is_object()) {
        object["config"] = Sorted::object();
    }
    write_config(object["config"], settings);
    object.erase("history");
    if (!settings.history.empty()) {
        object["history"] = history_json(settings.history);
    }
    Sorted written = Sorted::array();
    for (const codec::Digest& diff_id : diff_ids) {
        written.push_back(diff_id.text());
    }
    object["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(written)}};
    return object.dump(-1, ' ', false, Sorted::error_handler_t::replace);
}

}  // namespace lazybuild::graph
