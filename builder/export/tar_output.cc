// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "builder/export/file_output.h"
#include "codec/tar.h"

namespace lazybuild::exporter {
namespace {

using layers::FileInfo;

constexpr std::size_t kPieceBytes = 1 << 20;

class FileTar {
  public:
    FileTar(layers::FileSource& files, const FileOptions& options, ByteSink& out)
        : files_(files), options_(options), out_(out) {}
    Result<void> run();

  private:
    struct Level {
        std::string path;  ///< in the source
        std::vector<std::string> names;
        std::size_t next = 0;
    };
    Result<void> put(const std::string& path);
    Result<void> enter(const std::string& path);
    Result<void> header(const FileInfo& info, const std::string& path, const std::string* link_to);
    Result<void> bytes(const FileInfo& info, const std::string& path);
    std::string name_of(const std::string& path) const;

    layers::FileSource& files_;
    const FileOptions& options_;
    ByteSink& out_;
    std::vector<Level> levels_;
    std::map<std::uint64_t, std::string> linked_;
    Bytes piece_;
};

std::string FileTar::name_of(const std::string& path) const {
    return options_.directory.empty() ? path : options_.directory + "/" + path;
}

Result<void> FileTar::header(const FileInfo& info, const std::string& path,
                             const std::string* link_to) {
    codec::TarEntry entry;
    codec::LayerEntry& file = entry.entry;
    file.kind =
        link_to != nullptr ? codec::LayerEntry::Kind::hardlink : codec::LayerEntry::Kind::file;
    file.type = info.type;
    file.path = name_of(path);
    file.mode = info.mode;
    file.uid = info.uid;
    file.gid = info.gid;
    file.mtime_s = options_.epoch_s.value_or(info.mtime_s);
    file.size_bytes =
        link_to == nullptr && info.type == codec::FileType::regular ? info.size_bytes : 0;
    file.device_major = info.device_major;
    file.device_minor = info.device_minor;
    file.link_target = link_to != nullptr ? name_of(*link_to) : info.link_target;
    file.xattrs = info.xattrs;
    return out_.write(codec::tar_header(entry));
}

Result<void> FileTar::bytes(const FileInfo& info, const std::string& path) {
    TRY(const auto source, files_.open(path));
    std::uint64_t rest = info.size_bytes;
    while (rest > 0) {
        piece_.resize(std::min<std::uint64_t>(kPieceBytes, rest));
        TRY(const std::size_t count, source->read(piece_));
        if (count == 0) {
            return fail(corrupt("it is shorter than it was said to be"));
        }
        CHECK_OK(out_.write(ByteView{piece_}.first(count)));
        rest -= count;
    }
    return out_.write(codec::tar_padding(info.size_bytes));
}

Result<void> FileTar::enter(const std::string& path) {
    TRY(std::vector<std::string> names, files_.list(path));
    levels_.push_back({.path = path, .names = std::move(names)});
    return {};
}

Result<void> FileTar::put(const std::string& path) {
    CHECK_OK(options_.may_go_on());
    TRY(const std::optional<FileInfo> info, files_.look(path));
    if (!info) {
        return fail(Error{.code = std::errc::no_such_file_or_directory, .message = "it is gone"});
    }
    if (info->type == codec::FileType::directory) {
        if (!path.empty() || !options_.directory.empty()) {
            CHECK_OK(header(*info, path, nullptr));
        }
        return enter(path);
    }
    if (info->inode != 0) {
        const auto [first, is_first] = linked_.emplace(info->inode, path);
        if (!is_first) {
            return header(*info, path, &first->second);
        }
    }
    CHECK_OK(header(*info, path, nullptr));
    return info->type == codec::FileType::regular ? bytes(*info, path) : Result<void>{};
}

Result<void> FileTar::run() {
    CHECK_OK(put(""));
    while (!levels_.empty()) {
        Level& level = levels_.back();
        if (level.next == level.names.size()) {
            levels_.pop_back();
            continue;
        }
        const std::string& name = level.names[level.next++];
        const std::string path = level.path.empty() ? name : level.path + "/" + name;
        if (auto done = put(path); !done) {
            return fail(std::move(done).error().context("/" + path));
        }
    }
    return {};
}

}  // namespace

Result<void> write_files_as_tar(layers::FileSource& files, const FileOptions& options,
                                ByteSink& out) {
    return FileTar{files, options, out}.run();
}

}  // namespace lazybuild::exporter
