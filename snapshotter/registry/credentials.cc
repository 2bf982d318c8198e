// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/credentials.h"

#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "snapshotter/registry/credential_helper.h"

namespace lazybuild::registry {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string{} : std::string(value);
}

// "https://index.docker.io/v1/" and "docker.io" are one key. A key with a scheme means its host
// alone, as docker reads it; one without may name a namespace, as podman writes it.
std::string normalised_key(std::string_view key) {
    bool has_scheme = false;
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (key.starts_with(scheme)) {
            key.remove_prefix(scheme.size());
            has_scheme = true;
        }
    }
    while (key.ends_with('/')) {
        key.remove_suffix(1);
    }
    const std::size_t slash = key.find('/');
    const std::string_view path =
        slash == std::string_view::npos ? std::string_view{} : key.substr(slash);
    const bool host_alone = has_scheme || path == "/v1" || path == "/v2";
    std::string host(key.substr(0, slash));
    if (host == "index.docker.io" || host == "registry-1.docker.io") {
        host = "docker.io";
    }
    return host_alone ? host : host + std::string(path);
}

// The entry of the most specific key that covers `repository`.
template <class T>
const T* find_most_specific(const std::map<std::string, T>& entries, const Repository& repository) {
    std::map<std::string, const T*> by_key;
    for (const auto& [key, entry] : entries) {
        by_key.emplace(normalised_key(key), &entry);
    }
    std::string key = repository.text();
    while (true) {
        if (const auto found = by_key.find(key); found != by_key.end()) {
            return found->second;
        }
        const std::size_t slash = key.rfind('/');
        if (slash == std::string::npos) {
            return nullptr;
        }
        key.resize(slash);
    }
}

Result<std::optional<Credential>> find_in_file(const std::string& path,
                                               const CredentialSources& sources,
                                               const Repository& repository) {
    auto text = read_file(path, kConfigBytesMax);
    if (!text) {
        const bool is_missing = text.error().code == std::errc::no_such_file_or_directory ||
                                text.error().code == std::errc::not_a_directory;
        if (is_missing && !sources.files_required) {
            return std::nullopt;
        }
        return fail(std::move(text).error());
    }
    auto config = parse_docker_config(*text);
    if (!config) {
        return fail(std::move(config).error().context(path));
    }
    const ConfigMatch match = match_config(*config, repository);
    if (!match.helper.empty()) {
        auto answer = ask_credential_helper(match.helper, helper_server_name(repository.host),
                                            sources.helper_timeout);
        const bool settles_it = !answer || answer->has_value() || !match.credential;
        if (settles_it) {
            return answer;
        }
    }
    return match.credential;
}

}  // namespace

AuthEnvironment AuthEnvironment::of_process() {
    return {.registry_auth_file = variable("REGISTRY_AUTH_FILE"),
            .xdg_runtime_dir = variable("XDG_RUNTIME_DIR"),
            .docker_config = variable("DOCKER_CONFIG"),
            .home = variable("HOME")};
}

CredentialSources credential_sources(const std::string& auth_file,
                                     const AuthEnvironment& environment) {
    CredentialSources sources;
    if (!auth_file.empty() || !environment.registry_auth_file.empty()) {
        sources.files = {auth_file.empty() ? environment.registry_auth_file : auth_file};
        sources.files_required = !auth_file.empty();
        return sources;
    }
    if (!environment.xdg_runtime_dir.empty()) {
        sources.files.push_back(environment.xdg_runtime_dir + "/containers/auth.json");
    }
    if (!environment.docker_config.empty()) {
        sources.files.push_back(environment.docker_config + "/config.json");
    } else if (!environment.home.empty()) {
        sources.files.push_back(environment.home + "/.docker/config.json");
    }
    return sources;
}

Result<std::optional<Credential>> find_credential(const CredentialSources& sources,
                                                  const Repository& repository) {
    for (const std::string& path : sources.files) {
        TRY(auto credential, find_in_file(path, sources, repository));
        if (credential) {
            return credential;
        }
    }
    return std::nullopt;
}

ConfigMatch match_config(const DockerConfig& config, const Repository& repository) {
    ConfigMatch match;
    if (const std::string* helper = find_most_specific(config.helpers, repository)) {
        match.helper = *helper;
    } else {
        match.helper = config.default_helper;
    }
    if (const Credential* credential = find_most_specific(config.credentials, repository)) {
        match.credential = *credential;
    }
    return match;
}

std::string helper_server_name(const std::string& host) {
    return host == "docker.io" ? "https://index.docker.io/v1/" : host;
}

}  // namespace lazybuild::registry
