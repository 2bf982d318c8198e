// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/run_options.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/csv.h"

namespace lazybuild::cli {
namespace {

// "id=token,src=FILE": its fields by name.
Result<std::map<std::string, std::string>> named_fields(const std::string& text) {
    TRY(const auto fields, split_fields(text));
    std::map<std::string, std::string> named;
    for (const std::string& field : fields) {
        const std::size_t equals = field.find('=');
        if (equals == std::string::npos) {
            return fail(invalid(fmt::format("{} must be KEY=VALUE", field)));
        }
        named[field.substr(0, equals)] = field.substr(equals + 1);
    }
    return named;
}

// Without a word on where it is, a variable of its name comes before a file of its name.
Result<void> add_secret(const std::string& text, exec::RunnerOptions& options) {
    TRY(auto fields, named_fields(text));
    std::string id;
    std::string type;
    std::string file;
    std::string variable;
    for (auto& [key, value] : fields) {
        if (key == "id") {
            id = value;
        } else if (key == "type") {
            type = value;
        } else if (key == "src" || key == "source") {
            file = value;
        } else if (key == "env") {
            variable = value;
        } else {
            return fail(invalid(fmt::format("unknown key {}; there are id, src, env, type", key)));
        }
    }
    if (!type.empty() && type != "file" && type != "env") {
        return fail(invalid(fmt::format("type={}: file or env", type)));
    }
    if (id.empty()) {
        return fail(invalid("which one? id=NAME says it"));
    }
    using Kind = exec::Secret::Kind;
    if (!variable.empty() || type == "env") {
        const std::string& name = !variable.empty() ? variable : !file.empty() ? file : id;
        options.secrets[id] = {.kind = Kind::variable, .place = name};
    } else if (file.empty() && type.empty() && std::getenv(id.c_str()) != nullptr) {
        options.secrets[id] = {.kind = Kind::variable, .place = id};
    } else {
        options.secrets[id] = {.kind = Kind::file, .place = file.empty() ? id : file};
    }
    return {};
}

// "ID", "ID=SOCKET", "ID=KEY[,KEY]".
Result<void> add_agent(const std::string& text, exec::RunnerOptions& options) {
    const std::size_t equals = text.find('=');
    const std::string id = text.substr(0, equals);
    std::vector<std::string> places;
    if (equals != std::string::npos && equals + 1 < text.size()) {
        TRY(places, split_fields(text.substr(equals + 1)));
    } else {
        const char* const agent = std::getenv("SSH_AUTH_SOCK");
        if (agent == nullptr || *agent == '\0') {
            return fail(invalid("no agent runs: SSH_AUTH_SOCK is not set"));
        }
        places.emplace_back(agent);
    }
    options.ssh_agents.erase(id);
    options.ssh_keys.erase(id);
    for (const std::string& place : places) {
        struct stat status{};
        if (::stat(place.c_str(), &status) != 0) {
            return fail(errno_error(place));
        }
        if (S_ISREG(status.st_mode)) {
            options.ssh_keys[id].push_back(std::filesystem::absolute(place).string());
        } else if (S_ISSOCK(status.st_mode) && places.size() == 1) {
            options.ssh_agents[id] = place;
        } else {
            return fail(invalid(place + ": want one agent's socket, or files of keys"));
        }
    }
    return {};
}

// The host as a step sees it, which is on the host's own network: what listens there, also for the
// host alone, is found at the loopback address.
constexpr const char* kHostGateway = "127.0.0.1";

Result<void> add_host(const std::string& text, exec::RunnerOptions& options) {
    const std::size_t end = text.find_first_of(":=");
    if (end == std::string::npos || end == 0 || end + 1 == text.size()) {
        return fail(invalid("want NAME:ADDRESS"));
    }
    std::string address = text.substr(end + 1);
    if (address == "host-gateway") {
        address = kHostGateway;
    }
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    if (address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos) {
        return fail(invalid(address + " is no address"));
    }
    options.extra_hosts.emplace_back(text.substr(0, end), address);
    return {};
}

using Adder = Result<void> (*)(const std::string&, exec::RunnerOptions&);

Result<void> add_each(const std::string& flag, const std::vector<std::string>& texts, Adder add,
                      exec::RunnerOptions& options) {
    for (const std::string& text : texts) {
        if (auto added = add(text, options); !added) {
            return fail(invalid(fmt::format("{} {}: {}", flag, text, added.error().message)));
        }
    }
    return {};
}

Result<void> add_ulimit(const std::string& text, exec::RunnerOptions& options) {
    TRY(exec::Ulimit limit, exec::parse_ulimit(text));
    options.ulimits.push_back(std::move(limit));
    return {};
}

Result<void> allow(const std::string& text, exec::RunnerOptions& options) {
    return options.entitlements.allow(text);
}

}  // namespace

Result<std::uint64_t> parse_size(const std::string& text) {
    constexpr std::string_view kUnits = "kmgt";
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string unit(end, static_cast<const char*>(text.data() + text.size()));
    for (char& letter : unit) {
        letter = static_cast<char>(letter | 0x20);
    }
    if (unit.ends_with('b')) {
        unit.pop_back();
    }
    const std::size_t power = unit.empty() ? 0 : kUnits.find(unit) + 1;
    if (error != std::errc{} || (!unit.empty() && (unit.size() != 1 || power == 0)) ||
        number > (UINT64_MAX >> (10 * power))) {
        return fail(invalid(text + ": no size; want a number and perhaps k, m, g or t"));
    }
    return number << (10 * power);
}

Result<exec::RunnerOptions> read_run_options(const BuildArgs& args) {
    exec::RunnerOptions options;
    options.runtime = args.runtime;
    CHECK_OK(add_each("--secret", args.secrets, add_secret, options));
    CHECK_OK(add_each("--ssh", args.ssh, add_agent, options));
    CHECK_OK(add_each("--add-host", args.extra_hosts, add_host, options));
    CHECK_OK(add_each("--ulimit", args.ulimits, add_ulimit, options));
    CHECK_OK(add_each("--allow", args.allowed, allow, options));
    if (!args.shm_size.empty()) {
        auto size = parse_size(args.shm_size);
        if (!size) {
            return fail(std::move(size).error().context("--shm-size"));
        }
        options.shm_bytes = *size;
    }
    return options;
}

}  // namespace lazybuild::cli
