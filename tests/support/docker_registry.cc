// SPDX-License-Identifier: Apache-2.0
#include "tests/support/docker_registry.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "base/fd.h"

namespace lazybuild::test {
namespace {

constexpr int kNotInstalled = 127;

std::string config_text(const std::string& storage, const DockerRegistryOptions& options) {
    std::string text = fmt::format(
        "version: 0.1\n"
        "log:\n  level: info\n  accesslog:\n    disabled: false\n"
        "storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n"
        "http:\n  addr: 127.0.0.1:0\n",
        storage);
    if (!options.tls_certificate.empty()) {
        text += fmt::format("  tls:\n    certificate: {}\n    key: {}\n", options.tls_certificate,
                            options.tls_key);
    }
    if (!options.auth.empty()) {
        text += "auth:\n" + options.auth;
    }
    return text;
}

// "… listening on 127.0.0.1:34567 …" in its log; 0 when it is not there yet.
std::uint16_t port_in(const std::string& log) {
    constexpr std::string_view kMark = "listening on 127.0.0.1:";
    const std::size_t at = log.find(kMark);
    // The number is whole once something follows it.
    const std::size_t digits = at + kMark.size();
    const bool is_whole =
        at != std::string::npos && log.find_first_not_of("0123456789", digits) != std::string::npos;
    return is_whole ? static_cast<std::uint16_t>(std::stoul(log.substr(digits))) : 0;
}

}  // namespace

std::unique_ptr<DockerRegistry> DockerRegistry::start(const DockerRegistryOptions& options) {
    std::unique_ptr<DockerRegistry> registry(new DockerRegistry);
    if (!registry->launch(options)) {
        ADD_FAILURE() << "fork: " << std::strerror(errno);
        return nullptr;
    }
    if (registry->wait_until_listening()) {
        return registry;
    }
    if (registry->exit_status_ == kNotInstalled) {
        std::fprintf(stderr, "docker-registry is not here: install the package of that name\n");
    } else {
        ADD_FAILURE() << "docker-registry does not listen:\n" << registry->log();
    }
    return nullptr;
}

bool DockerRegistry::launch(const DockerRegistryOptions& options) {
    directory_.write("config.yml", config_text(directory_ / "storage", options));
    const Fd log(
        ::open((directory_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    std::string program = "docker-registry";
    std::string verb = "serve";
    std::string config = directory_ / "config.yml";
    const std::array<char*, 4> arguments{program.data(), verb.data(), config.data(), nullptr};
    // Not posix_spawn: a test that is killed must not leave a server behind.
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(log.get(), STDOUT_FILENO);
        ::dup2(log.get(), STDERR_FILENO);
        ::execvp(program.c_str(), arguments.data());
        ::_exit(kNotInstalled);
    }
    return pid_ > 0;
}

bool DockerRegistry::wait_until_listening() {
    using std::chrono::steady_clock;
    const auto give_up = steady_clock::now() + std::chrono::seconds(30);
    while (steady_clock::now() < give_up) {
        port_ = port_in(log());
        if (port_ != 0) {
            return true;
        }
        int status = 0;
        if (waitpid(pid_, &status, WNOHANG) == pid_) {
            exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            pid_ = -1;
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

DockerRegistry::~DockerRegistry() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

}  // namespace lazybuild::test
