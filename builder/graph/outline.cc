// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/outline.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "builder/graph/global_scope.h"
#include "codec/json.h"

namespace lazybuild::graph {
namespace {

using codec::Json;
using Row = std::vector<std::string>;

// Columns as wide as their widest cell and `gap` more; the last one is left as it is.
std::string table(const std::vector<Row>& rows, std::size_t gap) {
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    std::string text;
    for (const Row& row : rows) {
        for (std::size_t i = 0; i + 1 < row.size(); ++i) {
            text += fmt::format("{:<{}}", row[i], widths[i] + gap);
        }
        text += row.back() + "\n";
    }
    return text;
}

std::string secrets_table(std::string_view title, const std::vector<OutlineSecret>& secrets) {
    if (secrets.empty()) {
        return "";
    }
    std::vector<Row> rows = {{std::string(title), "REQUIRED"}};
    for (const OutlineSecret& secret : secrets) {
        rows.push_back({secret.id, secret.required ? "true" : ""});
    }
    return table(rows, 3) + "\n";
}

Json location(dockerfile::Lines lines) {
    Json range;
    range["start"]["line"] = lines.first;
    range["end"]["line"] = lines.last;
    Json result;
    result["ranges"] = Json::array({std::move(range)});
    return result;
}

void add_text(Json& object, const char* name, const std::string& value) {
    if (!value.empty()) {
        object[name] = value;
    }
}

void add_secrets(Json& object, const char* name, const std::vector<OutlineSecret>& secrets) {
    for (const OutlineSecret& secret : secrets) {
        Json entry;
        entry["name"] = secret.id;
        if (secret.required) {
            entry["required"] = true;
        }
        entry["location"] = location(secret.lines);
        object[name].push_back(std::move(entry));
    }
}

}  // namespace

std::vector<Target> targets(const dockerfile::Dockerfile& file) {
    std::vector<Target> result;
    for (const dockerfile::Stage& stage : file.stages) {
        result.push_back({.name = stage.from.name,
                          .description = description_of(stage.from.name, stage.comments),
                          .base = stage.from.base,
                          .platform = stage.from.platform,
                          .is_default = &stage == &file.stages.back(),
                          .lines = stage.lines});
    }
    return result;
}

std::string outline_text(const Outline& outline) {
    std::string text;
    if (!outline.name.empty() || !outline.description.empty()) {
        std::vector<Row> rows = {{"TARGET:", outline.name.empty() ? "(default)" : outline.name}};
        if (!outline.description.empty()) {
            rows.push_back({"DESCRIPTION:", outline.description});
        }
        text += table(rows, 1) + "\n";
    }
    if (!outline.arguments.empty()) {
        std::vector<Row> rows = {{"BUILD ARG", "VALUE", "DESCRIPTION"}};
        for (const OutlineArgument& argument : outline.arguments) {
            rows.push_back({argument.name, argument.value, argument.description});
        }
        text += table(rows, 3) + "\n";
    }
    return text + secrets_table("SECRET", outline.secrets) + secrets_table("SSH", outline.agents);
}

std::string targets_text(const std::vector<Target>& targets) {
    std::vector<Row> rows = {{"TARGET", "DESCRIPTION"}};
    for (const Target& target : targets) {
        std::string name = target.name;
        if (target.is_default) {
            name += name.empty() ? "(default)" : " (default)";
        }
        rows.push_back({std::move(name), target.description});
    }
    return table(rows, 1);
}

std::string outline_json(const Outline& outline) {
    Json object = Json::object();
    add_text(object, "name", outline.name);
    add_text(object, "description", outline.description);
    for (const OutlineArgument& argument : outline.arguments) {
        Json entry;
        entry["name"] = argument.name;
        add_text(entry, "description", argument.description);
        add_text(entry, "value", argument.value);
        entry["location"] = location(argument.lines);
        object["args"].push_back(std::move(entry));
    }
    add_secrets(object, "secrets", outline.secrets);
    add_secrets(object, "ssh", outline.agents);
    return codec::json_pretty(object);
}

std::string targets_json(const std::vector<Target>& targets) {
    Json object;
    object["targets"] = Json::array();
    for (const Target& target : targets) {
        Json entry;
        add_text(entry, "name", target.name);
        if (target.is_default) {
            entry["default"] = true;
        }
        add_text(entry, "description", target.description);
        add_text(entry, "base", target.base);
        add_text(entry, "platform", target.platform);
        entry["location"] = location(target.lines);
        object["targets"].push_back(std::move(entry));
    }
    return codec::json_pretty(object);
}

}  // namespace lazybuild::graph
