// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "codec/estargz_toc_json.h"
#include "codec/tar.h"

namespace lazybuild::codec {
namespace {

using nlohmann::json;

constexpr std::size_t kFlushBytes = 64 << 10;

std::string quoted(std::string_view text) {
    return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

bool needs_no_escape(char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

// Nearly every text is plain, and a TOC has millions of them: a JSON value of each would cost more
// than everything else that is done for its file.
void append_quoted(std::string& to, std::string_view text) {
    if (std::ranges::all_of(text, needs_no_escape)) {
        to.append("\"").append(text).append("\"");
    } else {
        to += quoted(text);
    }
}

std::string base64(std::string_view bytes) {
    constexpr std::size_t kPlainGroup = 3;
    constexpr std::size_t kCodedGroup = 4;
    ASSERT(bytes.size() <= kTarExtensionBytesMax);
    std::string text((bytes.size() + kPlainGroup - 1) / kPlainGroup * kCodedGroup + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

/// The members of one JSON object, in the order of the calls.
class ObjectText {
  public:
    ObjectText(std::string& text, std::string_view indent) : text_(text), indent_(indent) {}

    void always(std::string_view key, std::string_view value) {
        begin(key);
        append_quoted(text_, value);
    }
    void unless_empty(std::string_view key, std::string_view value) {
        if (!value.empty()) {
            always(key, value);
        }
    }
    void unless_zero(std::string_view key, std::uint64_t value) {
        if (value != 0) {
            const fmt::format_int digits{value};
            put(key, {digits.data(), digits.size()});
        }
    }
    /// `json_text` is a whole JSON value.
    void put(std::string_view key, std::string_view json_text) {
        begin(key);
        text_ += json_text;
    }
    void close() { text_.append("\n").append(indent_).append("}"); }

  private:
    void begin(std::string_view key) {
        text_ += any_ ? ",\n" : "{\n";
        text_.append(indent_).append("\t");
        append_quoted(text_, key);
        text_ += ": ";
        any_ = true;
    }

    std::string& text_;
    std::string_view indent_;
    bool any_ = false;
};

std::string xattrs_text(std::vector<Xattr> xattrs) {
    std::ranges::sort(xattrs, {}, &Xattr::name);
    std::string text;
    ObjectText object(text, "\t\t\t");
    for (const Xattr& xattr : xattrs) {
        object.always(xattr.name, base64(xattr.value));
    }
    object.close();
    return text;
}

}  // namespace

Result<void> TocJsonWriter::add(const TocEntry& entry) {
    text_ += any_ ? ",\n\t\t" : "{\n\t\"version\": 1,\n\t\"entries\": [\n\t\t";
    any_ = true;
    ObjectText object(text_, "\t\t");
    object.always("name", entry.name);
    object.always("type", entry.type);
    object.unless_zero("size", entry.size_bytes);
    object.unless_empty("modtime", entry.modtime);
    object.unless_empty("linkName", entry.link_name);
    object.unless_zero("mode", entry.mode);
    object.unless_zero("uid", entry.uid);
    object.unless_zero("gid", entry.gid);
    object.unless_empty("userName", entry.user_name);
    object.unless_empty("groupName", entry.group_name);
    object.unless_zero("offset", entry.offset_bytes);
    object.unless_zero("innerOffset", entry.inner_offset_bytes);
    object.unless_zero("devMajor", entry.device_major);
    object.unless_zero("devMinor", entry.device_minor);
    if (!entry.xattrs.empty()) {
        object.put("xattrs", xattrs_text(entry.xattrs));
    }
    object.unless_empty("digest", entry.digest);
    object.unless_zero("chunkOffset", entry.chunk_offset_bytes);
    object.unless_zero("chunkSize", entry.chunk_size_bytes);
    object.unless_empty("chunkDigest", entry.chunk_digest);
    if (!is_sayable(entry.name)) {
        object.always(kExactNameKey, base64(entry.name));
    }
    if (!is_sayable(entry.link_name)) {
        object.always(kExactLinkNameKey, base64(entry.link_name));
    }
    object.close();
    return text_.size() < kFlushBytes ? Result<void>{} : flush();
}

Result<void> TocJsonWriter::finish() {
    text_ += any_ ? "\n\t]\n}" : "{\n\t\"version\": 1,\n\t\"entries\": []\n}";
    return flush();
}

Result<void> TocJsonWriter::flush() {
    CHECK_OK(out_.write(as_bytes(text_)));
    text_.clear();
    return {};
}

std::string as_utf8(std::string_view text) {
    const json mended = json::parse(quoted(text), nullptr, false);
    ASSERT(mended.is_string());
    return mended.get<std::string>();
}

bool is_sayable(std::string_view text) {
    constexpr auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
    return std::ranges::all_of(text, is_ascii) || !as_utf8(text).contains(kReplacement);
}

}  // namespace lazybuild::codec
