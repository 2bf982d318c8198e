// SPDX-License-Identifier: Apache-2.0
// Steps in real containers, on a root file system that is busybox and what a test adds, once with
// each runtime.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "builder/exec/oci_runner.h"
#include "builder/exec/runtime.h"
#include "tests/unit/exec/fake_store.h"
#include "tests/unit/fuse/mount_fixture.h"

namespace lazybuild::exec::test {

/// Skips where there is no root, no busybox, or not the runtime that it is instantiated with.
class RunTest : public fuse::test::MountTest, public ::testing::WithParamInterface<const char*> {
  protected:
    void SetUp() override;

    struct Outcome {
        Result<solve::RunResult> result;
        std::string output, errors;

        /// The layer, which there has to be.
        const DirectoryLayer& layer() const {
            return static_cast<const DirectoryLayer&>(*result.value().layer);
        }
        /// Why it failed; "" when it did not.
        std::string failure() const { return result ? "" : result.error().message; }
    };
    /// Runs `command` by /bin/sh in step().
    Outcome run(const std::string& command);
    Outcome run_step(const graph::RunStep& step);

    /// A directory below the test's, made.
    std::string directory(const std::string& name);
    /// A file of the base image, with its parents.
    void add_file(const std::string& path, const std::string& content, unsigned mode = 0644);
    /// A snapshot of one directory.
    layers::Snapshot snapshot(const std::string& from, const std::string& name);
    /// Processes that have `word` among their arguments.
    static std::size_t processes_with(const std::string& word);

    std::string image_;  ///< the base image's directory
    graph::RunStep step_;
    std::vector<solve::MountFiles> mounts_;  ///< as many as step_.mounts
    RunnerOptions options_;
    io::CancelToken cancel_;
    codec::Platform platform_;
    std::unique_ptr<FakeStore> store_;
    std::shared_ptr<DirectoryLayer> base_;
};

}  // namespace lazybuild::exec::test
