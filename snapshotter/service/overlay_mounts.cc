// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/overlay_mounts.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "base/assert.h"
#include "base/file.h"
#include "base/log.h"

namespace lazybuild::service {
namespace {

std::string lower_directories(const store::Store& store,
                              const std::vector<store::SnapshotRecord>& chain) {
    std::string option = "lowerdir=";
    for (std::size_t index = 1; index < chain.size(); ++index) {
        option += index == 1 ? "" : ":";
        option += content_directory(store, chain[index].id);
    }
    return option;
}

/// Empty directories for one overlay, removed with it.
class ProbeDirectories {
  public:
    static Result<ProbeDirectories> make(const std::string& directory) {
        std::string path = directory + "/probe-XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) {
            return fail(errno_error("mkdtemp " + path));
        }
        ProbeDirectories probe{path};
        for (const char* name : {"/lower", "/upper", "/work", "/merged"}) {
            CHECK_OK(make_directories(path + name));
        }
        return probe;
    }
    ProbeDirectories(ProbeDirectories&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    ProbeDirectories& operator=(ProbeDirectories&&) = delete;
    ~ProbeDirectories() {
        if (path_.empty()) {
            return;
        }
        if (auto removed = remove_tree(path_); !removed) {
            log::warning("the overlay probe's directories stay", {{"path", path_}});
        }
    }

    Result<void> try_options(const std::string& options) const {
        const std::string data = fmt::format(
            "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work{1}", path_, options);
        const std::string target = path_ + "/merged";
        if (::mount("overlay", target.c_str(), "overlay", 0, data.c_str()) != 0) {
            return fail(errno_error("mount overlay with " + data));
        }
        if (::umount2(target.c_str(), MNT_DETACH) != 0) {
            return fail(errno_error("unmount " + target));
        }
        return {};
    }

  private:
    explicit ProbeDirectories(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

}  // namespace

std::string content_directory(const store::Store& store, store::SnapshotId id) {
    return store.snapshot_directory(id) + "/fs";
}

std::string work_directory(const store::Store& store, store::SnapshotId id) {
    return store.snapshot_directory(id) + "/work";
}

std::vector<MountAdvice> advise_mounts(const store::Store& store,
                                       const std::vector<store::SnapshotRecord>& chain,
                                       const std::vector<std::string>& overlay_options) {
    ASSERT(!chain.empty() && chain.front().kind != store::SnapshotKind::committed);
    const store::SnapshotRecord& top = chain.front();
    const bool writable = top.kind == store::SnapshotKind::active;
    // One directory needs no overlay, and overlayfs would not take a single one without an upper.
    if (chain.size() == 1) {
        return {{.type = "bind",
                 .source = content_directory(store, top.id),
                 .options = {writable ? "rw" : "ro", "rbind"}}};
    }
    if (!writable && chain.size() == 2) {
        return {{.type = "bind",
                 .source = content_directory(store, chain[1].id),
                 .options = {"ro", "rbind"}}};
    }
    MountAdvice overlay{.type = "overlay", .source = "overlay", .options = overlay_options};
    if (writable) {
        overlay.options.push_back("workdir=" + work_directory(store, top.id));
        overlay.options.push_back("upperdir=" + content_directory(store, top.id));
    }
    overlay.options.push_back(lower_directories(store, chain));
    return {std::move(overlay)};
}

Result<std::vector<std::string>> probe_overlay_options(const std::string& directory) {
    TRY(const ProbeDirectories probe, ProbeDirectories::make(directory));
    CHECK_OK(probe.try_options(""));
    std::vector<std::string> accepted;
    for (const char* option : {"index=off", "redirect_dir=nofollow"}) {
        if (auto mounted = probe.try_options(std::string(",") + option); mounted) {
            accepted.emplace_back(option);
        } else {
            log::info("overlayfs does not take an option",
                      {{"option", option}, {"reason", mounted.error().message}});
        }
    }
    return accepted;
}

}  // namespace lazybuild::service
