// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/step_mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "builder/exec/context_layer.h"

namespace lazybuild::exec {
namespace {

using graph::RunMount;

bool is_below(std::string_view path, std::string_view directory) {
    return path.size() > directory.size() && path.starts_with(directory) &&
           path[directory.size()] == '/';
}

/// One --mount on its way.
struct Item {
    const RunMount* mount = nullptr;
    const solve::MountFiles* files = nullptr;
    std::string target;                 ///< relative, resolved
    bool has_nested = false;            ///< another one is mounted inside
    std::optional<MountPoints> points;  ///< inside it, once it is there
    bool runtime_makes_points = false;  ///< a tmpfs: the runtime can do that
    std::size_t cache = 0;              ///< index into StepMounts::caches
};

/// A cache that is wanted, at one place or at several.
struct WantedCache {
    RunMount mount;  ///< the first one, with the strictest sharing of all
    std::optional<CacheSeed> seed;
    std::unique_ptr<layers::FileSource> view;  ///< what `seed` reads
    std::vector<Item*> items;
};

/// The greater, the less is shared.
int strictness(RunMount::Sharing sharing) {
    switch (sharing) {
        case RunMount::Sharing::shared: return 0;
        case RunMount::Sharing::private_: return 1;
        case RunMount::Sharing::locked: return 2;
    }
    return 2;
}

class MountsMaker {
  public:
    explicit MountsMaker(const StepMountsRequest& request) : request_(request) {}

    Result<StepMounts> run() {
        CHECK_OK(collect());
        CHECK_OK(acquire_caches());
        for (Item& item : items_) {
            if (auto prepared = prepare(item); !prepared) {
                return fail(std::move(prepared).error().context("RUN --mount"));
            }
        }
        return std::move(result_);
    }

  private:
    Result<void> collect() {
        const auto& mounts = request_.run.step.mounts;
        for (std::size_t i = 0; i < mounts.size(); ++i) {
            Item item{.mount = &mounts[i]};
            item.files = i < request_.run.mounts.size() ? &request_.run.mounts[i] : nullptr;
            if (!mounts[i].target.empty()) {
                TRY(item.target, resolve_target(request_.base, mounts[i].target));
            }
            items_.push_back(std::move(item));
        }
        // Outer ones first; of two at one place the one that was written last wins.
        std::ranges::sort(items_, {}, [](const Item& item) {
            return std::pair{std::string_view{item.target}, item.mount};
        });
        for (Item& outer : items_) {
            outer.has_nested = std::ranges::any_of(items_, [&outer](const Item& inner) {
                return is_below(inner.target, outer.target);
            });
        }
        return {};
    }

    Result<void> prepare(Item& item) {
        switch (item.mount->type) {
            case RunMount::Type::bind: return prepare_bind(item);
            case RunMount::Type::cache:
                return place_fd(item, result_.caches[item.cache].tree.get());
            case RunMount::Type::tmpfs:
                item.runtime_makes_points = true;
                return place(item, MountPoints::Kind::directory, "");
            case RunMount::Type::secret: return prepare_secret(item);
            case RunMount::Type::ssh: return prepare_ssh(item);
        }
        return {};
    }

    /// Sees to it that there is something to mount on, and tells the runtime.
    Result<void> place(const Item& item, MountPoints::Kind kind, const std::string& source) {
        Item* outer = nullptr;
        for (Item& other : items_) {
            if (is_below(item.target, other.target)) {
                outer = &other;  // sorted: the last one is the innermost
            }
        }
        if (outer != nullptr && outer->points) {
            CHECK_OK(outer->points->make(item.target.substr(outer->target.size() + 1), kind));
        } else if ((outer == nullptr || !outer->runtime_makes_points) && item.target != "dev" &&
                   !is_below(item.target, "dev")) {
            CHECK_OK(request_.root.make(item.target, kind));
        }
        result_.mounts.push_back({.target = "/" + item.target,
                                  .source = source,
                                  .read_only = item.mount->read_only,
                                  .size_bytes = item.mount->size_bytes});
        return {};
    }

    /// Mounts `fd` where the runtime finds it.
    Result<void> place_fd(Item& item, int fd) {
        struct stat status{};
        if (::fstat(fd, &status) != 0) {
            return fail(errno_error("stat a mount's source"));
        }
        TRY(std::string place_path, request_.directory.private_directory("mount"));
        const bool is_directory = S_ISDIR(status.st_mode);
        if (!is_directory) {
            place_path += "/file";
            TRY(const Fd made, open_file(place_path, O_WRONLY | O_CREAT | O_EXCL, 0600));
        }
        CHECK_OK(mount_fd(fd, place_path, {.devices = request_.run.step.insecure}));
        request_.directory.mounted(place_path);
        if (is_directory && item.has_nested) {
            TRY(item.points, MountPoints::open(place_path));
        }
        return place(item, is_directory ? MountPoints::Kind::directory : MountPoints::Kind::file,
                     place_path);
    }

    Result<void> prepare_bind(Item& item) {
        layers::Snapshot snapshot;
        std::string source = item.mount->source;
        if (item.files != nullptr && item.files->snapshot) {
            snapshot = *item.files->snapshot;
        } else if (item.files != nullptr && item.files->files != nullptr) {
            TRY(const auto maker, request_.store.make_layer());
            TRY(layers::LayerPointer layer, make_context_layer(*item.files->files, source, *maker));
            snapshot.layers.push_back(std::move(layer));
            source = kContextName;
        }  // else scratch: nothing
        std::ranges::copy(snapshot.layers, std::back_inserter(result_.layers));
        TRY(const std::string view, request_.directory.directory("view"));
        CHECK_OK(request_.directory.mount_snapshot(
            snapshot, {.target = view,
                       .writable = !item.mount->read_only || item.has_nested,
                       .devices = request_.run.step.insecure}));
        auto fd = open_inside(view, source);
        if (!fd) {
            const bool missing = fd.error().code == std::errc::no_such_file_or_directory;
            return fail(missing ? Error{std::errc::no_such_file_or_directory,
                                        fmt::format("\"/{}\": not found", item.mount->source)}
                                : std::move(fd).error());
        }
        return place_fd(item, fd->get());
    }

    /// All at once, in the order of their keys.
    Result<void> acquire_caches() {
        std::map<codec::Digest, WantedCache> wanted;
        for (Item& item : items_) {
            if (item.mount->type != RunMount::Type::cache) {
                continue;
            }
            WantedCache one{.mount = *item.mount};
            CHECK_OK(find_seed(item, one));
            const codec::Digest key = cache_key(cache_request(one));
            WantedCache& kept = wanted.try_emplace(key, std::move(one)).first->second;
            if (strictness(item.mount->sharing) > strictness(kept.mount.sharing)) {
                kept.mount.sharing = item.mount->sharing;
            }
            kept.items.push_back(&item);
        }
        for (const auto& [key, one] : wanted) {
            auto acquired = acquire_cache(cache_request(one));
            if (!acquired) {
                return fail(std::move(acquired).error().context("cache mount " + one.mount.id));
            }
            for (Item* item : one.items) {
                item->cache = result_.caches.size();
            }
            if (acquired->layered != nullptr) {
                std::ranges::copy(acquired->layered->snapshot().layers,
                                  std::back_inserter(result_.layers));
                request_.directory.keep(acquired->layered);
            }
            result_.caches.push_back(*std::move(acquired));
        }
        return {};
    }

    CacheRequest cache_request(const WantedCache& wanted) const {
        return {.root = request_.store.root(),
                .mount = wanted.mount,
                .seed = wanted.seed,
                .cancel = request_.run.cancel,
                .layered = request_.layered_caches};
    }

    Result<void> find_seed(const Item& item, WantedCache& wanted) const {
        if (item.files != nullptr && item.files->snapshot) {
            wanted.view = request_.store.view(*item.files->snapshot);
            wanted.seed = CacheSeed{.identity = item.files->snapshot->id().text(),
                                    .files = wanted.view.get()};
        } else if (item.files != nullptr && item.files->files != nullptr) {
            wanted.seed = CacheSeed{.identity = "context", .files = item.files->files};
        } else if (!item.mount->source.empty()) {
            wanted.seed = CacheSeed{.source = item.mount->source};
        }
        if (wanted.seed && wanted.seed->files != nullptr) {
            TRY(wanted.seed->source, layers::resolve(*wanted.seed->files, item.mount->source));
        }
        return {};
    }

    Result<void> prepare_secret(Item& item) {
        const RunMount& mount = *item.mount;
        const auto found = request_.options.secrets.find(mount.id);
        if (found == request_.options.secrets.end()) {
            return mount.required ? fail(invalid(fmt::format("secret {}: not found: pass --secret "
                                                             "id={},src=FILE",
                                                             mount.id, mount.id)))
                                  : Result<void>{};
        }
        TRY(const std::string value, read_secret(mount.id, found->second));
        result_.secrets.push_back(value);
        if (!mount.variable.empty()) {
            if (value.contains('\0')) {
                return fail(invalid(
                    fmt::format("secret {}: a NUL byte cannot be in a variable", mount.id)));
            }
            result_.environment.push_back(mount.variable + "=" + value);
        }
        if (item.target.empty()) {
            return {};
        }
        TRY(const std::string directory, request_.directory.private_directory("secret"));
        const std::string path = directory + "/value";
        TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
        CHECK_OK(write_all(file.get(), as_bytes(value)));
        if (::fchown(file.get(), mount.uid.value_or(0), mount.gid.value_or(0)) != 0 ||
            ::fchmod(file.get(), mount.mode.value_or(0400) & 07777) != 0) {
            return fail(errno_error("owner and mode of a secret"));
        }
        CHECK_OK(place(item, MountPoints::Kind::file, path));
        result_.mounts.back().read_only = true;
        return {};
    }

    Result<void> prepare_ssh(Item& item) {
        const RunMount& mount = *item.mount;
        const std::string id = mount.id.empty() ? "default" : mount.id;
        const auto found = request_.options.ssh_agents.find(id);
        if (found == request_.options.ssh_agents.end()) {
            return mount.required ? fail(invalid(fmt::format(
                                        "SSH agent {}: not found: pass --ssh {}", id, id)))
                                  : Result<void>{};
        }
        TRY(const std::string directory, request_.directory.private_directory("agent"));
        TRY(auto agent, AgentProxy::start({.agent = found->second,
                                           .socket = directory + "/socket",
                                           .mode = mount.mode.value_or(0600),
                                           .uid = mount.uid.value_or(0),
                                           .gid = mount.gid.value_or(0)}));
        if (result_.agents.empty()) {
            result_.environment.push_back("SSH_AUTH_SOCK=" + mount.target);
        }
        result_.agents.push_back(std::move(agent));
        return place(item, MountPoints::Kind::file, directory + "/socket");
    }

    const StepMountsRequest& request_;
    std::vector<Item> items_;  ///< sorted by target
    StepMounts result_;
};

}  // namespace

Result<std::string> resolve_target(layers::FileSource& base, const std::string& path) {
    TRY(const std::string clean, codec::clean_path(path));
    TRY(std::string resolved, layers::resolve(base, clean));
    if (resolved.empty()) {
        return fail(invalid(fmt::format("{}: the root cannot be mounted over", path)));
    }
    for (const std::string_view kernel : {"proc", "sys"}) {
        if (resolved == kernel || is_below(resolved, kernel)) {
            return fail(
                invalid(fmt::format("{}: inside /{}, which is the kernel's", path, kernel)));
        }
    }
    return resolved;
}

Result<StepMounts> prepare_step_mounts(const StepMountsRequest& request) {
    return MountsMaker{request}.run();
}

}  // namespace lazybuild::exec
