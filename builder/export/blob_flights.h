// SPDX-License-Identifier: Apache-2.0
// Layers that are being written as blobs in this process, so that exports that run at once write
// each of them once: whoever comes second waits, and finds the blob in the store.
//
// Threads: any.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <tuple>

#include "builder/layers/layer.h"
#include "codec/digest.h"

namespace lazybuild::exporter {

class BlobFlights {
  public:
    using Key = std::tuple<codec::Digest, layers::Compression, int>;  ///< layer, and its level

    /// Held by who looks whether a blob is there and writes it if not.
    class Turn {
      public:
        /// Waits while somebody else has `key`. No flights: waits for nobody.
        Turn(BlobFlights* flights, Key key);
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn();

      private:
        BlobFlights* const flights_;
        const Key key_;
    };

  private:
    std::mutex mutex_;  // guards under_way_
    std::condition_variable ended_;
    std::set<Key> under_way_;
};

}  // namespace lazybuild::exporter
