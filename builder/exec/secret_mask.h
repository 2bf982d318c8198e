// SPDX-License-Identifier: Apache-2.0
// Keeps the values of secrets out of what a step prints, and so out of displays, logs and reports:
// "***" stands where one was.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lazybuild::exec {

/// Shorter lines of a secret are words that mean nothing, longer ones no key or token.
inline constexpr std::size_t kMaskedBytesMin = 4;
inline constexpr std::size_t kMaskedBytesMax = 4096;

/// One thread at a time.
class SecretMask {
  public:
    using Output = std::function<void(int stream, std::string_view bytes)>;

    /// Each line of each secret is masked. `output` may be empty: then nothing is passed on.
    SecretMask(const std::vector<std::string>& secrets, Output output);

    /// Passes on what cannot be the beginning of a secret; the rest waits for what comes next.
    void write(int stream, std::string_view bytes);
    /// Passes on what still waits.
    void finish();

  private:
    std::size_t mask_first(std::string& text, std::size_t from) const;
    std::size_t unfinished_bytes(std::string_view text) const;

    std::vector<std::string> lines_;  ///< longer ones first
    Output output_;
    std::array<std::string, 2> waiting_;
};

}  // namespace lazybuild::exec
