// SPDX-License-Identifier: Apache-2.0
#include "builder/files/selection_digest.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "builder/dockerfile/file_mode.h"

namespace lazybuild::files {
namespace {

/// Changes whenever the text below does: records made with another text are never found.
constexpr std::string_view kSchema = "lazybuild selection 1\n";

// Lengths stand before what may hold any byte, so that no two selections have one text.
void add_text(std::string& record, std::string_view text) {
    fmt::format_to(std::back_inserter(record), "{}:{} ", text.size(), text);
}

class Digester {
  public:
    Digester(Selection& selection, const Overwritten& overwritten)
        : selection_(selection), overwritten_(overwritten) {
        text_.update(as_bytes(kSchema));
    }

    void add(const Match& match) {
        std::string record = match.directory ? "directory\n" : "file ";
        if (!match.directory) {
            add_text(record, match.name);
            record += match.unpack ? "unpack\n" : "\n";
        }
        text_.update(as_bytes(record));
        first_names_.clear();
        for (const Selected& file : match.files) {
            add(match, file);
        }
    }

    codec::Digest finish() { return text_.finish(); }

  private:
    void add(const Match& match, const Selected& file) {
        if (match.directory && file.to.empty()) {
            return;  // the directory itself: only what is in it is copied
        }
        std::string record;
        add_text(record, file.to);
        add_attributes(record, file);
        record += '\n';
        text_.update(as_bytes(record));
        if (selection_.names.size() < kSelectionNamesMax) {
            const std::string& name = file.to.empty() ? match.name : file.to;
            selection_.names.push_back(name + " " + codec::sha256(as_bytes(record)).text());
        }
    }

    void add_attributes(std::string& record, const Selected& file) {
        const layers::FileInfo& info = file.info;
        const bool link = info.type == codec::FileType::symlink;
        fmt::format_to(std::back_inserter(record), "type={} ", static_cast<int>(info.type));
        if (!overwritten_.mode && !link) {
            fmt::format_to(std::back_inserter(record), "mode={:o} ", info.mode);
        }
        if (!overwritten_.owner) {
            fmt::format_to(std::back_inserter(record), "owner={}:{} ", info.uid, info.gid);
        }
        if (file.on_the_way) {
            record += "on the way ";
        }
        for (const codec::Xattr& xattr : info.xattrs) {
            record += "xattr=";
            add_text(record, xattr.name);
            add_text(record, xattr.value);
        }
        if (link) {
            record += "target=";
            add_text(record, info.link_target);
        }
        if (info.type == codec::FileType::character || info.type == codec::FileType::block) {
            fmt::format_to(std::back_inserter(record), "device={}:{} ", info.device_major,
                           info.device_minor);
        }
        if (info.inode != 0 && info.type != codec::FileType::directory) {
            const auto [first, fresh] = first_names_.emplace(info.inode, &file.to);
            if (!fresh) {
                record += "same as ";
                add_text(record, *first->second);
            }
        }
        if (file.content) {
            fmt::format_to(std::back_inserter(record), "size={} content={}", info.size_bytes,
                           file.content->digest.hex());
            selection_.claimed |= !file.content->verified;
        }
    }

    Selection& selection_;
    const Overwritten overwritten_;
    codec::Sha256 text_;
    std::map<std::uint64_t, const std::string*> first_names_;  // of one match, by inode
};

}  // namespace

Result<Overwritten> overwritten_by(const graph::CopyStep& step) {
    Overwritten overwritten{.mode = false, .owner = !step.owner.empty()};
    if (!step.permissions.empty()) {
        TRY(const dockerfile::FileMode mode, dockerfile::FileMode::parse(step.permissions));
        overwritten.mode = mode.is_absolute();
    }
    return overwritten;
}

void digest_selection(Selection& selection, const Overwritten& overwritten) {
    Digester digester{selection, overwritten};
    for (const Match& match : selection.matches) {
        digester.add(match);
    }
    selection.digest = digester.finish();
}

}  // namespace lazybuild::files
