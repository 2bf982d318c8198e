// SPDX-License-Identifier: Apache-2.0
// FaultyRing: an I/O backend that stands in front of a real one and breaks what passes through, the
// way kernels, disks and networks do: short transfers, EAGAIN, EINTR, EIO, ECANCELED out of the
// blue, requests that take long, completions in another order.
//
//   auto ring = std::make_unique<FaultyRing>(*create_uring_backend());
//   FaultyRing& faults = *ring;                    // stays good as long as the reactor
//   auto reactor = Reactor::create({.backend = std::move(ring)});
//   faults.add({.kind = IoRequest::Kind::receive, .effect = FaultyRing::Effect::shorten});
//
// Thread: the reactor's, or before it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "snapshotter/io/io_backend.h"

namespace lazybuild::io {

class FaultyRing final : public IoBackend {
  public:
    enum class Effect {
        fail,     ///< completes with -error_number; the kernel is not asked
        shorten,  ///< moves at most bytes_max bytes
        hold,     ///< waits for release_held(); a cancel completes it with -ECANCELED
    };
    struct Fault {
        IoRequest::Kind kind;
        Effect effect = Effect::fail;
        int error_number = 0;
        std::size_t bytes_max = 1;
    };

    explicit FaultyRing(std::unique_ptr<IoBackend> below) : below_(std::move(below)) {}

    /// The next request of its kind meets `fault`; several faults meet as many requests, in order.
    void add(Fault fault);
    /// From now on, every other transfer is short, interrupted, or not ready, as `seed` decides.
    void break_at_random(std::uint32_t seed);
    /// Lets the held requests go to the kernel, the latest first.
    void release_held();
    std::size_t held() const { return held_.size(); }
    /// How many requests of `kind` were made, faults included.
    std::size_t requests(IoRequest::Kind kind) const;

    void start() override { below_->start(); }
    void submit(const IoRequest& request, IoCompletion& completion) override;
    void cancel(IoCompletion& completion) override;
    void wait(std::optional<Deadline> deadline) override;
    void wake() override { below_->wake(); }

  private:
    struct Held {
        IoRequest request;
        IoCompletion* completion;
    };
    struct Due {
        IoCompletion* completion;
        std::int32_t result;
    };
    std::optional<Fault> next_fault(IoRequest::Kind kind);

    std::unique_ptr<IoBackend> below_;
    std::deque<Fault> faults_;
    std::optional<std::mt19937> random_;
    std::vector<Held> held_;
    std::vector<Due> due_;
    std::map<IoRequest::Kind, std::size_t> requests_;
};

}  // namespace lazybuild::io
