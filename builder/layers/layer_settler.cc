// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_settler.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <thread>
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
constexpr std::size_t kThreadsMax = 16;

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

    std::string parent() const { return directory.substr(0, directory.rfind('/')); }
};

Result<Settling> begin_settling(std::string directory) {
    Settling layer{.directory = std::move(directory), .files = {}};
    TRY(const std::vector<std::string> names, names_in(layer.directory));
    for (const std::string& name : names) {
        const std::string path = layer.directory + "/" + name;
        if (path == marker(layer.directory)) {
            continue;  // it is about to go
        }
        TRY(Fd file, open_file(path, O_RDONLY));
        // Best effort: fsync does it too, one file after the other.
        [[maybe_unused]] const int begun =
            ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
        layer.files.push_back(std::move(file));
    }
    return layer;
}

/// What is in the layer: its files, and their names.
Result<void> sync_content(const Settling& layer) {
    for (const Fd& file : layer.files) {
        if (::fsync(file.get()) != 0) {
            return fail(errno_error("fsync a file in " + layer.directory));
        }
    }
    return sync_directory(layer.directory);
}

/// Only when the rest is durable; should it come back, then no more is lost than the layer.
Result<void> unmark(const Settling& layer) {
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

/// Does `step` to each, several at once, and leaves those with which it succeeded.
void do_to_each(std::vector<Settling>& layers,
                const std::function<Result<void>(const Settling&)>& step) {
    std::atomic<std::size_t> next = 0;
    auto work = [&] {
        for (std::size_t i = next++; i < layers.size(); i = next++) {
            if (const Result<void> done = step(layers[i]); !done) {
                report(layers[i].directory, done.error());
                layers[i].files.clear();
            }
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (std::size_t i = 1; i < std::min(layers.size(), kThreadsMax); ++i) {
            helpers.emplace_back(work);
        }
        work();
    }
    std::erase_if(layers, [](const Settling& layer) { return layer.files.empty(); });
}

// Each fsync waits until the journal, which all files share, has been written and the disk has
// emptied its cache; those that wait at the same time wait for the same. So many are asked at once,
// and each step is done to all layers before the next one: to forget the mark of one changes what
// would have to be written for another. Of 2,000 layers of one file that takes 2 s, and 15 s one
// after the other.
void settle(const std::vector<std::string>& directories) {
    std::vector<Settling> layers;
    for (const std::string& directory : directories) {
        if (auto layer = begin_settling(directory)) {
            layers.push_back(*std::move(layer));
        } else {
            report(directory, layer.error());
        }
    }
    do_to_each(layers, sync_content);
    std::map<std::string, Result<void>> parents;
    for (const Settling& layer : layers) {
        parents.try_emplace(layer.parent());
    }
    for (auto& [parent, synced] : parents) {
        synced = sync_directory(parent);
    }
    do_to_each(layers, [&](const Settling& layer) { return parents.at(layer.parent()); });
    do_to_each(layers, unmark);
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
    if (!queued_.insert(directory).second) {
        return;  // opened again before its turn came
    }
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
            queued_.erase(waiting_.front());
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
