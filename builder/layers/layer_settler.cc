// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_settler.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "builder/layers/disk_usage.h"
#include "builder/layers/file_lock.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layers {
namespace {

constexpr std::uint64_t kBootIdBytesMax = 100;
constexpr std::size_t kBatchMax = 100;  // of layers, each with a few open files

std::string marker(const std::string& directory) {
    return directory + "/boot";
}

/// "" where nobody says it: then nothing is of this boot.
const std::string& this_boot() {
    static const std::string id =
        read_file("/proc/sys/kernel/random/boot_id", kBootIdBytesMax).value_or("");
    return id;
}

/// The files of one layer, open.
struct Settling {
    std::string directory;
    std::vector<Fd> files;
};

Result<Settling> begin_settling(std::string directory) {
    Settling layer{.directory = std::move(directory), .files = {}};
    TRY(const std::vector<std::string> names, names_in(layer.directory));
    for (const std::string& name : names) {
        TRY(Fd file, open_file(layer.directory + "/" + name, O_RDONLY));
        // Best effort: fsync does it too, one file after the other.
        [[maybe_unused]] const int begun =
            ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
        layer.files.push_back(std::move(file));
    }
    return layer;
}

/// The files, then the names: of the files in the directory, and its own in its parent. Only then
/// the mark goes; should it come back, then no more is lost than the layer.
Result<void> finish_settling(const Settling& layer) {
    for (const Fd& file : layer.files) {
        if (::fsync(file.get()) != 0) {
            return fail(errno_error("fsync a file in " + layer.directory));
        }
    }
    CHECK_OK(sync_directory(layer.directory));
    CHECK_OK(sync_directory(layer.directory.substr(0, layer.directory.rfind('/'))));
    const std::string path = marker(layer.directory);
    if (::unlink(path.c_str()) != 0) {
        return fail(errno_error("remove " + path));
    }
    return {};
}

void report(const std::string& directory, const Error& error) {
    if (error.code != std::errc::no_such_file_or_directory) {
        log::warning("a layer is lost when the machine restarts",
                     {{"directory", directory}, {"error", error.message}});
    }
}

/// All are begun before one is finished: the file system writes them together.
void settle(const std::vector<std::string>& directories) {
    std::vector<Settling> layers;
    for (const std::string& directory : directories) {
        if (auto layer = begin_settling(directory)) {
            layers.push_back(*std::move(layer));
        } else {
            report(directory, layer.error());
        }
    }
    for (const Settling& layer : layers) {
        if (auto finished = finish_settling(layer); !finished) {
            report(layer.directory, finished.error());
        }
    }
}

}  // namespace

Result<void> LayerSettler::mark(const std::string& directory) {
    const std::string path = marker(directory);
    TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    return write_all(file.get(), as_bytes(this_boot()));
}

LayerSettler::State LayerSettler::state_of(const std::string& directory) {
    const auto boot = read_file(marker(directory), kBootIdBytesMax);
    if (!boot && boot.error().code == std::errc::no_such_file_or_directory) {
        return State::durable;
    }
    return boot && !boot->empty() && *boot == this_boot() ? State::here : State::lost;
}

// The mark last: whatever ends this, what is left is lost.
Result<void> LayerSettler::remove_lost(const std::string& directory) {
    const auto lock = FileLock::try_exclusive(store::disk_path(directory));
    // Without a disk nobody can have it.
    const bool free =
        lock ? lock->has_value() : lock.error().code == std::errc::no_such_file_or_directory;
    if (!free || state_of(directory) != State::lost) {
        return {};
    }
    TRY(const std::vector<std::string> names, names_in(directory));
    for (const std::string& name : names) {
        if (directory + "/" + name != marker(directory)) {
            CHECK_OK(remove_tree(directory + "/" + name));
        }
    }
    return remove_tree(directory);
}

void LayerSettler::add(std::string directory) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(directory));
    if (!thread_.joinable()) {
        thread_ = std::thread{[this] { work(); }};
    }
    changed_.notify_one();
}

void LayerSettler::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
        if (waiting_.empty()) {
            return;
        }
        std::vector<std::string> batch;
        while (!waiting_.empty() && batch.size() < kBatchMax) {
            batch.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
        }
        lock.unlock();
        settle(batch);
        lock.lock();
    }
}

LayerSettler::~LayerSettler() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
        changed_.notify_one();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

}  // namespace lazybuild::layers
