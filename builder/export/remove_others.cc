// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "builder/export/file_output.h"
#include "builder/layers/disk_usage.h"

namespace lazybuild::exporter {
namespace {

/// Others may put links where directories were: what has been opened stays what it is.
std::string path_of(const Fd& directory) {
    return "/proc/self/fd/" + std::to_string(directory.get());
}

class Cleaner {
  public:
    explicit Cleaner(const std::function<Result<Stays>(const std::string&)>& stays)
        : stays_(stays) {}

    Result<void> clean(const Fd& directory, const std::string& path) {
        TRY(const std::vector<std::string> names, layers::names_in(path_of(directory)));
        for (const std::string& name : names) {
            const std::string file = path.empty() ? name : path + "/" + name;
            TRY(const Stays stays, stays_(file));
            if (stays == Stays::whole) {
                continue;
            }
            struct stat status{};
            if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
                continue;  // it has gone
            }
            if (stays == Stays::as_directory && S_ISDIR(status.st_mode)) {
                TRY(const Fd below, open_file(path_of(directory) + "/" + name,
                                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
                CHECK_OK(clean(below, file));
            } else if (stays == Stays::no || S_ISDIR(status.st_mode)) {
                CHECK_OK(remove_tree(path_of(directory) + "/" + name));
            }
        }
        return {};
    }

  private:
    const std::function<Result<Stays>(const std::string&)>& stays_;
};

}  // namespace

Result<void> remove_others(const std::string& directory,
                           const std::function<Result<Stays>(const std::string& path)>& stays) {
    const std::unique_ptr<char, decltype(&std::free)> real{::realpath(directory.c_str(), nullptr),
                                                           &std::free};
    if (real != nullptr && std::string_view{real.get()} == "/") {
        return fail(invalid("mode=delete of \"/\" would remove the host's own files"));
    }
    const auto top = open_file(directory, O_RDONLY | O_DIRECTORY);
    if (!top) {
        return top.error().code == std::errc::no_such_file_or_directory ? Result<void>{}
                                                                        : fail(top.error());
    }
    return Cleaner{stays}.clean(*top, "");
}

}  // namespace lazybuild::exporter
