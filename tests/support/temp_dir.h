// SPDX-License-Identifier: Apache-2.0
// A directory for one test, gone with it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/file.h"

namespace lazybuild::test {

class TempDir {
  public:
    TempDir() {
        std::string name = (std::filesystem::temp_directory_path() / "lazybuild-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr) << name;
        path_ = name;
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() { EXPECT_TRUE(remove_tree(path_)); }

    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string{name}; }

    /// Runs a shell command inside the directory; its failure is the test's.
    void run(const std::string& command) const {
        EXPECT_EQ(std::system(("cd " + path_ + " && " + command).c_str()), 0) << command;
    }
    void write(std::string_view name, std::string_view content) const {
        std::ofstream{*this / name, std::ios::binary} << content;
    }
    std::string read(std::string_view name) const {
        constexpr std::uint64_t kBytesMax = 1 << 30;
        auto content = read_file(*this / name, kBytesMax);
        EXPECT_TRUE(content) << name;
        return content.value_or("");
    }

  private:
    std::string path_;
};

}  // namespace lazybuild::test
