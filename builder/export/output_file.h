// SPDX-License-Identifier: Apache-2.0
// A file that a user asked for: it gets its name when it is complete. "-" is stdout; what exists
// and is no regular file (a pipe, a device) is written to as it is.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"

namespace lazybuild::exporter {

/// Movable; without commit(), nothing is left of it. One thread at a time.
class OutputFile final : public ByteSink {
  public:
    /// Errors: invalid_argument for a terminal; errno, naming the path.
    static Result<OutputFile> create(const std::string& path);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    ~OutputFile() override;

    /// Errors: errno, naming the path.
    Result<void> write(ByteView bytes) override;
    /// On disk, and then at its path, in the place of what was there.
    Result<void> commit();

  private:
    OutputFile(Fd file, int number, std::string path, std::string temporary)
        : file_(std::move(file)),
          number_(number),
          path_(std::move(path)),
          temporary_(std::move(temporary)) {}
    Result<void> flush();

    Fd file_;
    int number_;  ///< file_'s, or stdout's
    std::string path_;
    std::string temporary_;  ///< "" when it is written to in place
    Bytes buffer_;
};

/// A name in a build's directory that no export of this process has used. Threads: any.
std::string staging_path(const std::string& directory);

}  // namespace lazybuild::exporter
