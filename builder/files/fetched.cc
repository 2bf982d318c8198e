// SPDX-License-Identifier: Apache-2.0
#include "builder/files/fetched.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <string_view>

#include "base/file.h"
#include "builder/layers/disk_usage.h"

namespace lazybuild::files {
namespace {

constexpr std::string_view kFactsPrefix = "url-";
constexpr std::string_view kGoing = ".going";
constexpr std::uint64_t kFactsBytesMax = 16 << 10;

// The content that a file of facts names, which begins "sha256:<hex>\n" (fetch_http.cc); "" for
// other files.
std::string content_of(const std::string& directory, const std::string& name) {
    if (!name.starts_with(kFactsPrefix)) {
        return {};
    }
    const auto text = read_file(directory + "/" + name, kFactsBytesMax);
    constexpr std::string_view kAlgorithm = "sha256:";
    if (!text || !text->starts_with(kAlgorithm)) {
        return {};
    }
    return text->substr(kAlgorithm.size(), text->find('\n') - kAlgorithm.size());
}

}  // namespace

Result<std::vector<FetchedUsage>> fetched_usage(const std::string& cache_directory) {
    TRY(const std::vector<std::string> names, layers::names_in(cache_directory));
    std::map<std::string, FetchedUsage> all;
    for (const std::string& name : names) {
        const auto use = layers::measure(cache_directory + "/" + name);
        if (!use) {
            continue;  // it has gone
        }
        const std::string content = content_of(cache_directory, name);
        const bool known = std::ranges::binary_search(names, content);
        FetchedUsage& usage = all[known ? content : name];
        usage.size_bytes += use->size_bytes;
        usage.used_s = std::max(usage.used_s, use->changed_s);
    }
    std::vector<FetchedUsage> list;
    for (auto& [name, usage] : all) {
        usage.name = name;
        list.push_back(std::move(usage));
    }
    return list;
}

Result<void> remove_fetched(const std::string& cache_directory, const std::string& name) {
    TRY(const std::vector<std::string> names, layers::names_in(cache_directory));
    for (const std::string& other : names) {
        if (content_of(cache_directory, other) == name) {
            CHECK_OK(remove_tree(cache_directory + "/" + other));
        }
    }
    // Under another name first: what has a commit's name is complete.
    const std::string path = cache_directory + "/" + name;
    const std::string going = path + std::string(kGoing);
    CHECK_OK(remove_tree(going));
    if (::rename(path.c_str(), going.c_str()) != 0 && errno != ENOENT) {
        return fail(errno_error("rename " + path));
    }
    return remove_tree(going);
}

void note_fetched_use(const std::string& path) {
    [[maybe_unused]] const int noted =
        ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

}  // namespace lazybuild::files
