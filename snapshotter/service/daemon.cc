// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/daemon.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <ranges>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/notify.h"
#include "fuse/host_support.h"
#include "fuse/mounts.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/layer/layer_manager.h"
#include "snapshotter/registry/client.h"
#include "snapshotter/service/kept_disks.h"
#include "snapshotter/service/managed_layers.h"
#include "snapshotter/service/overlay_mounts.h"
#include "snapshotter/service/remote_prepare.h"
#include "snapshotter/service/server.h"
#include "snapshotter/service/snapshots_service.h"
#include "snapshotter/service/snapshotter.h"
#include "snapshotter/store/store.h"

namespace lazybuild::service {
namespace {

// Calls of containerd that wait for the disk or for mount(2). Apart from the pool that inflates and
// hashes, so that neither waits for the other.
constexpr unsigned kServiceThreads = 8;
constexpr unsigned kWorkThreadsMin = 2;
constexpr unsigned kWorkThreadsMax = 16;
constexpr std::chrono::seconds kCheckInterval{1};  // of the keeper
constexpr int kChecksPerFlush = 5;
constexpr std::chrono::seconds kStopGrace{5};

unsigned work_threads() {
    return std::clamp(std::thread::hardware_concurrency(), kWorkThreadsMin, kWorkThreadsMax);
}

/// What a process that was killed has left mounted, when its disks cannot be gone on with. Only
/// below our own directories, newest first.
Result<void> unmount_stale(const store::Store& store) {
    const std::string snapshots = store.root() + "/snapshots";
    TRY(std::vector<fuse::MountEntry> mounts, fuse::mounts_under(snapshots));
    // Somebody may have put the directory itself on a disk of its own.
    std::erase_if(mounts,
                  [&snapshots](const fuse::MountEntry& one) { return one.target == snapshots; });
    TRY(std::vector<fuse::MountEntry> disks, fuse::mounts_under(store.disks_directory()));
    mounts.insert(mounts.begin(), std::make_move_iterator(disks.begin()),
                  std::make_move_iterator(disks.end()));
    for (const fuse::MountEntry& mount : mounts | std::views::reverse) {
        CHECK_OK(fuse::unmount(mount.target, fuse::UnmountMode::detach));
    }
    if (!mounts.empty()) {
        log::info("unmounted what was left over", {{"mounts", mounts.size()}});
    }
    return {};
}

/// The kernel aborts the whole connection when one request is older than its limit, so that reads
/// must end earlier: by half, because one that waited while this was restarted begins anew.
layer::FetchOptions fetch_options(const Config& config) {
    layer::FetchOptions options = config.fetch;
    const std::optional<std::chrono::seconds> limit = fuse::request_timeout();
    if (limit && options.read_timeout > *limit / 2) {
        options.read_timeout = *limit / 2;
        log::warning(
            "read_timeout is shortened: it must stay below fs.fuse.max_request_timeout",
            {{"limit_s", limit->count()}, {"read_timeout_ms", options.read_timeout.count()}});
    }
    return options;
}

std::vector<std::string> overlay_options(const store::Store& store) {
    auto options = probe_overlay_options(store.root() + "/snapshots");
    if (!options) {
        log::warning("overlayfs could not be tried", {{"reason", options.error().message}});
        return {};
    }
    return *std::move(options);
}

/// Where neither way works, layers are pulled in full, and each says why.
fuse::ErofsBacking erofs_backing(const Config& config) {
    const auto chosen = fuse::choose_erofs_backing(config.root, config.erofs_mounts);
    if (!chosen) {
        log::warning("EROFS cannot be mounted", {{"reason", chosen.error().message}});
        return config.erofs_mounts.value_or(fuse::ErofsBacking::file);
    }
    log::info("how layers are mounted",
              {{"erofs_mounts", *chosen == fuse::ErofsBacking::file ? "file" : "loop"}});
    return *chosen;
}

void notify(std::string_view state) {
    if (auto notified = notify_service_manager(state); !notified) {
        log::warning("the service manager was not told",
                     {{"state", state}, {"reason", notified.error().message}});
    }
}

/// Members are in the order in which they are built; each refers only to those above it. The
/// reactor's thread ends, in stop(), before any of them goes.
class Daemon {
  public:
    explicit Daemon(const Config& config)
        : config_(config),
          work_pool_(work_threads()),
          service_pool_(kServiceThreads),
          kept_(config.keeper, config.root) {}
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    /// Also when start() fails: what a predecessor left is not taken away for that.
    ~Daemon() {
        leaving_ = leaving_ || check_keeper();
        stop();
    }

    Result<void> start() {
        TRY(store_, store::Store::open(config_.root));
        auto predecessor = kept_.take(store_->disks_directory());
        if (!predecessor) {
            CHECK_OK(unmount_stale(*store_));
        }
        TRY(reactor_, io::Reactor::create());
        reactor_thread_ = std::thread([this] { reactor_->run(); });
        client_.emplace(*reactor_, work_pool_, config_.registry);
        TRY(manager_, layer::LayerManager::open(*store_, *client_, *reactor_, work_pool_,
                                                fetch_options(config_), erofs_backing(config_),
                                                std::move(predecessor)));
        // Before the first mount is made on these disks: see Snapshotter::restore.
        TRY(fuse::Handover handover, manager_->duplicate_disks());
        kept_.keep(std::move(handover));
        layers_.emplace(*manager_);
        documents_.emplace(*client_);
        snapshotter_.emplace(*store_, *layers_, overlay_options(*store_));
        CHECK_OK(snapshotter_->restore());
        remote_.emplace(*snapshotter_, *layers_, *documents_, *reactor_, service_pool_,
                        config_.prepare_timeout,
                        RemotePolicy{.verified_only = config_.fetch.verify_first,
                                     .claim_plain = config_.claim_plain_layers});
        service_.emplace(*snapshotter_, *remote_, *reactor_, service_pool_);
        TRY(server_, SocketServer::listen(config_.address, *service_));
        return {};
    }

    void flush() { manager_->flush(); }
    /// Whether the disks would outlive this process.
    bool check_keeper() { return kept_.check(); }

    /// Leaves the mounts, and whoever waits for bytes, to the next start. Somebody keeps the disks.
    void leave() {
        leaving_ = true;
        stop();
    }

    /// From whatever start() came to. Normal snapshots stay; remote ones are mounted again at the
    /// next start.
    void stop() {
        if (!reactor_thread_.joinable()) {
            return;
        }
        if (server_ != nullptr) {
            reactor_->post([this] { remote_->cancel(); });
            server_->stop(kStopGrace);
        }
        if (snapshotter_) {
            snapshotter_->stop_removals();
            if (!leaving_) {
                snapshotter_->unmount_all();
            }
        }
        if (manager_ != nullptr) {
            if (leaving_) {
                manager_->leave_disks();
            } else {
                kept_.drop();
            }
            manager_->close();
        }
        reactor_->stop();
        reactor_thread_.join();
    }

  private:
    const Config& config_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<io::Reactor> reactor_;
    io::Pool work_pool_;
    io::Pool service_pool_;
    KeptDisks kept_;
    bool leaving_ = false;
    std::optional<registry::Client> client_;
    std::unique_ptr<layer::LayerManager> manager_;
    std::optional<ManagedLayers> layers_;
    std::optional<RegistryDocuments> documents_;
    std::optional<Snapshotter> snapshotter_;
    std::optional<RemotePreparer> remote_;
    std::optional<SnapshotsService> service_;
    std::unique_ptr<SocketServer> server_;
    std::thread reactor_thread_;
};

/// Blocked before there are threads, so that only the wait below takes them.
sigset_t block_stop_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    return signals;
}

}  // namespace

Result<void> run_daemon(const Config& config) {
    CHECK_OK(check_config(config));
    log::set_level(config.log_level);
    const sigset_t stop_signals = block_stop_signals();
    Daemon daemon{config};
    CHECK_OK(daemon.start());
    log::info("serving", {{"address", config.address}, {"root", config.root}});
    notify("READY=1");
    const timespec interval{.tv_sec = kCheckInterval.count(), .tv_nsec = 0};
    int signal = -1;
    for (int check = 1; signal < 0; ++check) {
        signal = ::sigtimedwait(&stop_signals, nullptr, &interval);
        if (check % kChecksPerFlush == 0) {
            daemon.flush();
        }
        daemon.check_keeper();
    }
    const bool leaves = signal == SIGTERM && daemon.check_keeper();
    log::info("stopping", {{"mounts", leaves ? "stay: the keeper has the disks" : "go"}});
    notify("STOPPING=1");
    if (leaves) {
        daemon.leave();
    } else {
        daemon.stop();
    }
    return {};
}

}  // namespace lazybuild::service
