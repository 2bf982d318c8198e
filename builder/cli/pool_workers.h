// SPDX-License-Identifier: Apache-2.0
// The threads that codecs compute on, apart from those of the session, which wait for files and
// for peers.
#pragma once

#include <functional>
#include <utility>

#include "base/workers.h"
#include "snapshotter/io/pool.h"

namespace lazybuild::cli {

/// Joined when it goes.
class PoolWorkers final : public Workers {
  public:
    explicit PoolWorkers(unsigned threads) : pool_(threads) {}
    void submit(std::move_only_function<void()> job) override { pool_.submit(std::move(job)); }

  private:
    io::Pool pool_;
};

}  // namespace lazybuild::cli
