// SPDX-License-Identifier: Apache-2.0
// What was made in this process, by key, so that steps with equal keys run once: the second one
// waits for the first, or finds what it made. Threads: any.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "builder/solve/step_record.h"
#include "codec/digest.h"

namespace lazybuild::solve {

/// What a step made.
struct Made {
    codec::Digest layer;
    Resolution resolution = Resolution::ran;  ///< how that is known
    std::string cache;                        ///< imported: from which
    bool without_layer = false;               ///< imported: the cache says that it has none
};

class Flights {
  public:
    std::optional<Made> find(const codec::Digest& key);
    void put(const codec::Digest& key, const Made& made);
    /// Its layer was lost: the next run() of it does run.
    void forget(const codec::Digest& key);
    /// What `work` gives, or gave another caller; Errors are not remembered.
    Result<Made> run(const codec::Digest& key, const std::function<Result<Made>()>& work);

  private:
    struct Flight {
        std::optional<Result<Made>> result;
    };
    std::mutex mutex_;
    std::condition_variable landed_;
    std::map<codec::Digest, Made> made_;
    std::map<codec::Digest, std::shared_ptr<Flight>> flying_;
};

}  // namespace lazybuild::solve
