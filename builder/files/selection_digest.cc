// SPDX-License-Identifier: Apache-2.0
#include "builder/files/selection_digest.h"

#include <array>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "builder/dockerfile/file_mode.h"
#include "codec/sha256.h"
#include "codec/sha256_many.h"

namespace lazybuild::files {
namespace {

/// Changes whenever the text below does: records made with another text are never found.
constexpr std::string_view kSchema = "lazybuild selection 1\n";

constexpr std::string_view kTypeLetters = "-dlcbp";  // of codec::FileType

void add_number(std::string& text, std::uint64_t number, int base = 10) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    text.append(digits.data(), end);
}

// Lengths stand before what may hold any byte, so that no two selections have one text.
void add_text(std::string& record, std::string_view text) {
    add_number(record, text.size());
    record += ':';
    record += text;
    record += ' ';
}

// Contexts of ten thousand files are digested for every build, most of which have nothing else to
// do: all records stand in one text, and their own digests are computed side by side.
class Digester {
  public:
    Digester(Selection& selection, const Overwritten& overwritten)
        : selection_(selection), overwritten_(overwritten), text_(kSchema) {}

    void add(const Match& match) {
        text_ += match.directory ? "directory\n" : "file ";
        if (!match.directory) {
            add_text(text_, match.name);
            text_ += match.unpack ? "unpack\n" : "\n";
        }
        first_names_.clear();
        for (const Selected& file : match.files) {
            if (match.directory && file.to.empty()) {
                continue;  // the directory itself: only what is in it is copied
            }
            const bool named = selection_.names.size() < kSelectionNamesMax;
            if (named) {
                selection_.names.push_back(file.to.empty() ? match.name : file.to);
                add_name_attributes(file);
            }
            const std::size_t rest = add(file);
            if (named) {
                records_.push_back({rest, text_.size() - rest});
            }
        }
    }

    void finish() {
        selection_.digest = codec::sha256(as_bytes(text_));
        std::vector<ByteView> records;
        records.reserve(records_.size());
        for (const auto& [start, size] : records_) {
            records.push_back(as_bytes(text_).subspan(start, size));
        }
        std::vector<codec::Digest> digests(records.size());
        codec::sha256_each(records, digests);
        for (std::size_t i = 0; i < digests.size(); ++i) {
            selection_.names[i] += digests[i].text();
        }
    }

  private:
    // Of the last name: what a person would want to know that it changed, in words of its own.
    void add_name_attributes(const Selected& file) {
        const layers::FileInfo& info = file.info;
        std::string& name = selection_.names.back();
        name += ' ';
        name += kTypeLetters.at(static_cast<std::size_t>(info.type));
        if (!overwritten_.mode && info.type != codec::FileType::symlink) {
            add_number(name, info.mode, 8);
        }
        name += ' ';
        if (!overwritten_.owner) {
            add_number(name, info.uid);
            name += ':';
            add_number(name, info.gid);
        }
        name += ' ';
    }

    /// Where in text_ the rest begins, after name, type, mode and owner.
    std::size_t add(const Selected& file) {
        const layers::FileInfo& info = file.info;
        add_text(text_, file.to);
        add_mode_and_owner(info);
        const std::size_t rest = text_.size();
        add_attributes(file);
        if (info.inode != 0 && info.type != codec::FileType::directory) {
            const auto [first, fresh] = first_names_.emplace(info.inode, &file.to);
            if (!fresh) {
                text_ += "same as ";
                add_text(text_, *first->second);
            }
        }
        if (file.content) {
            text_ += "size=";
            add_number(text_, info.size_bytes);
            text_ += " content=";
            text_ += as_text(file.content->digest.raw());
            selection_.claimed |= !file.content->verified;
        }
        text_ += '\n';
        return rest;
    }

    void add_mode_and_owner(const layers::FileInfo& info) {
        text_ += "type=";
        add_number(text_, static_cast<std::uint64_t>(info.type));
        if (!overwritten_.mode && info.type != codec::FileType::symlink) {
            text_ += " mode=";
            add_number(text_, info.mode, 8);
        }
        if (!overwritten_.owner) {
            text_ += " owner=";
            add_number(text_, info.uid);
            text_ += ':';
            add_number(text_, info.gid);
        }
    }

    void add_attributes(const Selected& file) {
        const layers::FileInfo& info = file.info;
        text_ += file.on_the_way ? " on the way " : " ";
        for (const codec::Xattr& xattr : info.xattrs) {
            text_ += "xattr=";
            add_text(text_, xattr.name);
            add_text(text_, xattr.value);
        }
        if (info.type == codec::FileType::symlink) {
            text_ += "target=";
            add_text(text_, info.link_target);
        }
        if (info.type == codec::FileType::character || info.type == codec::FileType::block) {
            text_ += "device=";
            add_number(text_, info.device_major);
            text_ += ':';
            add_number(text_, info.device_minor);
            text_ += ' ';
        }
    }

    Selection& selection_;
    const Overwritten overwritten_;
    std::string text_;
    std::vector<std::pair<std::size_t, std::size_t>> records_;  // of names: the rest, in text_
    std::map<std::uint64_t, const std::string*> first_names_;   // of one match, by inode
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
    digester.finish();
}

}  // namespace lazybuild::files
