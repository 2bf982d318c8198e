// SPDX-License-Identifier: Apache-2.0
#include "builder/files/stat_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace lazybuild::files {
namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
/// Rows that no build asks for any more are kept up to this many more than are used.
constexpr std::size_t kUnusedRowsMax = 20'000;

// A row's number is a directory's, so that a row of a file has no long path in its key. WITHOUT
// ROWID: rows of one directory lie together, which is how they are read.
constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS stat_directory (
    id INTEGER PRIMARY KEY,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, path TEXT NOT NULL,
    UNIQUE (path, device, inode));
CREATE TABLE IF NOT EXISTS stat_file (
    directory INTEGER NOT NULL, path TEXT NOT NULL,
    size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, inode INTEGER NOT NULL,
    content TEXT NOT NULL, xattrs TEXT NOT NULL,
    PRIMARY KEY (directory, path)) WITHOUT ROWID;
)sql";

// "<name bytes>:<value bytes>:<name><value>" for each.
std::string xattrs_text(const std::vector<codec::Xattr>& xattrs) {
    std::string text;
    for (const codec::Xattr& xattr : xattrs) {
        text += std::to_string(xattr.name.size()) + ":" + std::to_string(xattr.value.size()) + ":" +
                xattr.name + xattr.value;
    }
    return text;
}

std::optional<std::size_t> take_number(std::string_view& text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end == text.data() + text.size() || *end != ':') {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return number;
}

std::optional<std::vector<codec::Xattr>> parse_xattrs(std::string_view text) {
    std::vector<codec::Xattr> xattrs;
    while (!text.empty()) {
        const auto name_bytes = take_number(text);
        const auto value_bytes = name_bytes ? take_number(text) : std::nullopt;
        if (!value_bytes || *name_bytes > text.size() || *value_bytes > text.size() - *name_bytes) {
            return std::nullopt;
        }
        xattrs.push_back(
            codec::Xattr{.name = std::string{text.substr(0, *name_bytes)},
                         .value = std::string{text.substr(*name_bytes, *value_bytes)}});
        text.remove_prefix(*name_bytes + *value_bytes);
    }
    return xattrs;
}

}  // namespace

FileStamp stamp_of(const struct stat& status) {
    const auto nanoseconds = [](const timespec& time) {
        return static_cast<std::int64_t>(time.tv_sec) * kNanosecondsPerSecond + time.tv_nsec;
    };
    return FileStamp{.size_bytes = static_cast<std::uint64_t>(status.st_size),
                     .mtime_ns = nanoseconds(status.st_mtim),
                     .ctime_ns = nanoseconds(status.st_ctim),
                     .inode = status.st_ino};
}

Result<StatIndex> StatIndex::open(const std::string& database, const Place& place) {
    TRY(store::Database opened, store::Database::open(database));
    StatIndex index{std::move(opened)};
    // Losing the last builds' rows in a power failure costs reading some files again.
    CHECK_OK(index.database_.execute("PRAGMA synchronous=NORMAL"));
    CHECK_OK(index.database_.execute(kSchema));
    const auto device = static_cast<std::int64_t>(place.device);
    const auto inode = static_cast<std::int64_t>(place.inode);
    TRY(auto insert, index.database_.prepare("INSERT OR IGNORE INTO stat_directory "
                                             "(device, inode, path) VALUES (?1, ?2, ?3)"));
    TRY(auto select, index.database_.prepare("SELECT id FROM stat_directory WHERE device = ?1 AND "
                                             "inode = ?2 AND path = ?3"));
    select.bind(1, device).bind(2, inode).bind(3, place.path);
    TRY(bool known, select.step());
    if (!known) {
        CHECK_OK(insert.bind(1, device).bind(2, inode).bind(3, place.path).run());
        index.directory_ = index.database_.last_insert_id();
        return index;
    }
    index.directory_ = select.number(0);
    CHECK_OK(index.load());
    return index;
}

Result<void> StatIndex::load() {
    TRY(auto rows, database_.prepare("SELECT path, size, mtime, ctime, inode, content, xattrs FROM "
                                     "stat_file WHERE directory = ?1"));
    rows.bind(1, directory_);
    while (true) {
        TRY(const bool more, rows.step());
        if (!more) {
            return {};
        }
        Known known{.stamp = {.size_bytes = static_cast<std::uint64_t>(rows.number(1)),
                              .mtime_ns = rows.number(2),
                              .ctime_ns = rows.number(3),
                              .inode = static_cast<std::uint64_t>(rows.number(4))},
                    .facts = {}};
        const std::string content = rows.text(5);
        auto xattrs = parse_xattrs(rows.text(6));
        codec::Digest::Raw raw;
        if (!xattrs || (!content.empty() && content.size() != raw.size())) {
            continue;  // not a row of ours: as if it were not there
        }
        if (!content.empty()) {
            std::memcpy(raw.data(), content.data(), raw.size());
            known.facts.content = codec::Digest{raw};
        }
        known.facts.xattrs = *std::move(xattrs);
        files_.emplace(rows.text(0), std::move(known));
    }
}

const FileFacts* StatIndex::find(std::string_view path, const FileStamp& stamp) {
    const auto found = files_.find(path);
    if (found == files_.end() || found->second.stamp != stamp) {
        return nullptr;
    }
    found->second.used = true;
    return &found->second.facts;
}

void StatIndex::remember(const std::string& path, const FileStamp& stamp, FileFacts facts,
                         std::int64_t taken_at_ns) {
    const std::int64_t changed_at_ns = std::max(stamp.mtime_ns, stamp.ctime_ns);
    if (changed_at_ns > taken_at_ns - kRacySeconds * kNanosecondsPerSecond) {
        return;
    }
    files_.insert_or_assign(
        path, Known{.stamp = stamp, .facts = std::move(facts), .changed = true, .used = true});
}

Result<void> StatIndex::save() {
    const bool changed =
        std::ranges::any_of(files_, [](const auto& f) { return f.second.changed; });
    if (!changed) {
        return {};
    }
    TRY(auto transaction, store::Transaction::begin(database_));
    CHECK_OK(write_changed());
    CHECK_OK(drop_unused());
    return transaction.commit();
}

Result<void> StatIndex::write_changed() {
    TRY(auto insert, database_.prepare("INSERT OR REPLACE INTO stat_file (directory, path, size, "
                                       "mtime, ctime, inode, content, xattrs) VALUES "
                                       "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
    // In the order of the table, whose pages are then filled one after the other.
    std::vector<const std::pair<const std::string, Known>*> changed;
    for (auto& file : files_) {
        if (std::exchange(file.second.changed, false)) {
            changed.push_back(&file);
        }
    }
    std::ranges::sort(changed, {}, [](const auto* file) -> const auto& { return file->first; });
    for (const auto* const file : changed) {
        const Known& known = file->second;
        insert.bind(1, directory_).bind(2, file->first);
        insert.bind(3, static_cast<std::int64_t>(known.stamp.size_bytes));
        insert.bind(4, known.stamp.mtime_ns).bind(5, known.stamp.ctime_ns);
        insert.bind(6, static_cast<std::int64_t>(known.stamp.inode));
        insert.bind(7, known.facts.content ? as_text(known.facts.content->raw()) : "");
        insert.bind(8, xattrs_text(known.facts.xattrs));
        CHECK_OK(insert.run());
        insert.reset();
    }
    return {};
}

// Files come and go, and a directory is built with several Dockerfiles: what this build did not
// ask for goes only once it is much more than what it did.
Result<void> StatIndex::drop_unused() {
    const auto used = static_cast<std::size_t>(
        std::ranges::count_if(files_, [](const auto& file) { return file.second.used; }));
    if (files_.size() - used <= used + kUnusedRowsMax) {
        return {};
    }
    TRY(auto remove, database_.prepare("DELETE FROM stat_file WHERE directory = ?1 AND path = ?2"));
    for (auto file = files_.begin(); file != files_.end();) {
        if (file->second.used) {
            ++file;
            continue;
        }
        CHECK_OK(remove.bind(1, directory_).bind(2, file->first).run());
        remove.reset();
        file = files_.erase(file);
    }
    return {};
}

}  // namespace lazybuild::files
