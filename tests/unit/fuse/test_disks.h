// SPDX-License-Identifier: Apache-2.0
// A DiskBackend that answers reads as a test tells it to, and remembers what was asked.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "fuse/disk_backend.h"

namespace lazybuild::fuse::test {

struct AskedRead {
    DiskNumber disk;
    std::uint64_t offset_bytes;
    std::uint32_t size_bytes;
};

/// Threads: any.
class TestDisks final : public DiskBackend {
  public:
    using Content = std::function<Bytes(std::uint64_t offset_bytes, std::uint32_t size_bytes)>;
    using Behaviour = std::function<void(const AskedRead&, ReadReply, const Content&)>;

    /// A disk whose byte at offset i is i mixed with its number.
    void add(DiskNumber disk, std::uint64_t size_bytes) {
        add(disk, size_bytes, [disk](std::uint64_t offset_bytes, std::uint32_t count) {
            Bytes bytes(count);
            for (std::uint32_t i = 0; i < count; ++i) {
                bytes[i] = expected_byte(disk, offset_bytes + i);
            }
            return bytes;
        });
    }
    void add(DiskNumber disk, std::uint64_t size_bytes, Content content) {
        std::lock_guard lock{mutex_};
        disks_[disk] = {.size_bytes = size_bytes, .content = std::move(content), .behaviour = {}};
    }
    void remove(DiskNumber disk) {
        std::lock_guard lock{mutex_};
        disks_.erase(disk);
    }
    /// What reads of `disk` get from now on; an empty one is the content, at once.
    void set_behaviour(DiskNumber disk, Behaviour behaviour) {
        std::lock_guard lock{mutex_};
        disks_.at(disk).behaviour = std::move(behaviour);
    }

    static std::byte expected_byte(DiskNumber disk, std::uint64_t offset_bytes) {
        return static_cast<std::byte>((offset_bytes >> 8) * 31 + offset_bytes + disk * 7);
    }

    std::vector<AskedRead> asked() const {
        std::lock_guard lock{mutex_};
        return asked_;
    }

    std::optional<std::uint64_t> disk_size_bytes(DiskNumber disk) override {
        std::lock_guard lock{mutex_};
        auto found = disks_.find(disk);
        return found == disks_.end() ? std::nullopt : std::optional{found->second.size_bytes};
    }

    std::vector<DiskNumber> disks() override {
        std::lock_guard lock{mutex_};
        std::vector<DiskNumber> numbers;
        for (const auto& [number, disk] : disks_) {
            numbers.push_back(number);
        }
        std::ranges::reverse(numbers);
        return numbers;
    }

    void read(DiskNumber number, std::uint64_t offset_bytes, std::uint32_t size_bytes,
              ReadReply reply) override {
        const AskedRead read{
            .disk = number, .offset_bytes = offset_bytes, .size_bytes = size_bytes};
        std::unique_lock lock{mutex_};
        asked_.push_back(read);
        const Disk disk = disks_.at(number);
        lock.unlock();
        if (disk.behaviour) {
            disk.behaviour(read, std::move(reply), disk.content);
        } else {
            reply.data(disk.content(offset_bytes, size_bytes));
        }
    }

  private:
    struct Disk {
        std::uint64_t size_bytes = 0;
        Content content;
        Behaviour behaviour;
    };
    mutable std::mutex mutex_;
    std::map<DiskNumber, Disk> disks_;
    std::vector<AskedRead> asked_;
};

/// Keeps reads unanswered until the test says so, and none from then on. Threads: any.
class HeldReads {
  public:
    TestDisks::Behaviour behaviour() {
        return [this](const AskedRead& read, ReadReply reply, const TestDisks::Content& content) {
            std::unique_lock lock{mutex_};
            if (released_) {
                // It was on its way here when release() was called: nobody would come for it.
                lock.unlock();
                return reply.data(content(read.offset_bytes, read.size_bytes));
            }
            held_.push_back({.read = read, .reply = std::move(reply), .content = content});
            changed_.notify_all();
        };
    }

    /// Waits until `count` reads at least are held.
    void wait_for(std::size_t count) {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return held_.size() >= count; });
    }

    std::size_t count() const {
        std::lock_guard lock{mutex_};
        return held_.size();
    }

    /// Answers all that are held, the last one first, and those that still come at once.
    void release() {
        {
            std::lock_guard lock{mutex_};
            released_ = true;
        }
        for (Held& held : take()) {
            held.reply.data(held.content(held.read.offset_bytes, held.read.size_bytes));
        }
    }
    void fail(int errno_value) {
        for (Held& held : take()) {
            held.reply.error(errno_value);
        }
    }
    /// Forgets them, as a backend with a fault would.
    void drop() { take(); }

  private:
    struct Held {
        AskedRead read;
        ReadReply reply;
        TestDisks::Content content;
    };
    std::vector<Held> take() {
        std::lock_guard lock{mutex_};
        std::ranges::reverse(held_);
        return std::exchange(held_, {});
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Held> held_;
    bool released_ = false;
};

}  // namespace lazybuild::fuse::test
