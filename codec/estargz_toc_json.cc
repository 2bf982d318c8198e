// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_toc_json.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "codec/estargz_toc.h"

namespace lazybuild::codec {
namespace {

struct TextField {
    std::string_view key;
    std::string TocEntry::* member;
};
constexpr std::array kTextFields{
    TextField{"name", &TocEntry::name},          TextField{"type", &TocEntry::type},
    TextField{"modtime", &TocEntry::modtime},    TextField{"linkName", &TocEntry::link_name},
    TextField{"userName", &TocEntry::user_name}, TextField{"groupName", &TocEntry::group_name},
    TextField{"digest", &TocEntry::digest},      TextField{"chunkDigest", &TocEntry::chunk_digest},
};

struct NumberField {
    std::string_view key;
    std::uint64_t TocEntry::* member;
};
constexpr std::array kNumberFields{
    NumberField{"size", &TocEntry::size_bytes},
    NumberField{"mode", &TocEntry::mode},
    NumberField{"uid", &TocEntry::uid},
    NumberField{"gid", &TocEntry::gid},
    NumberField{"offset", &TocEntry::offset_bytes},
    NumberField{"innerOffset", &TocEntry::inner_offset_bytes},
    NumberField{"devMajor", &TocEntry::device_major},
    NumberField{"devMinor", &TocEntry::device_minor},
    NumberField{"chunkOffset", &TocEntry::chunk_offset_bytes},
    NumberField{"chunkSize", &TocEntry::chunk_size_bytes},
};

constexpr std::string_view kXattrsKey = "xattrs";
constexpr std::string_view kVersionKey = "version";
constexpr std::string_view kEntriesKey = "entries";

template <class Fields>
auto find_field(const Fields& fields, std::string_view key) {
    const auto found = std::ranges::find(fields, key, &Fields::value_type::key);
    return found == fields.end() ? nullptr : &*found;
}

bool is_entry_field(std::string_view key) {
    return key == kXattrsKey || key == kExactNameKey || key == kExactLinkNameKey ||
           find_field(kTextFields, key) != nullptr || find_field(kNumberFields, key) != nullptr;
}

std::optional<std::string> from_base64(std::string_view text) {
    constexpr std::size_t kPlainGroup = 3;
    constexpr std::size_t kCodedGroup = 4;
    if (text.empty()) {
        return std::string{};
    }
    if (text.size() % kCodedGroup != 0 ||
        text.size() > std::size_t{std::numeric_limits<int>::max()}) {
        return std::nullopt;
    }
    const std::size_t padding = text.size() - (text.find_last_not_of('=') + 1);
    std::string bytes(text.size() / kCodedGroup * kPlainGroup, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    if (std::cmp_not_equal(size, bytes.size()) || padding > 2) {
        return std::nullopt;
    }
    bytes.resize(bytes.size() - padding);
    return bytes;
}

/// Takes the events of nlohmann's SAX parser (its names and types). Each returns false to stop,
/// with the reason in error_.
class TocEvents {
  public:
    using Json = nlohmann::json;

    explicit TocEvents(const std::function<Result<void>(TocEntry)>& take) : take_(take) {}

    Result<void> outcome() && {
        if (error_) {
            return fail(*std::move(error_));
        }
        if (version_ != 1 || !entries_seen_) {
            return fail(corrupt("TOC: not a table of contents of version 1"));
        }
        return {};
    }

    bool key(std::string& name) {
        key_.swap(name);
        return true;
    }
    bool start_object(std::size_t) {
        if (!go_deeper()) {
            return false;
        }
        switch (place_) {
            case Place::document: place_ = Place::root; return true;
            case Place::entries:
                place_ = Place::entry;
                entry_ = TocEntry{};
                exact_name_.clear();
                exact_link_name_.clear();
                return true;
            case Place::entry:
                if (key_ == kXattrsKey) {
                    place_ = Place::xattrs;
                    return true;
                }
                return skip_unknown();
            default: return skip_unknown();
        }
    }
    bool start_array(std::size_t) {
        if (!go_deeper()) {
            return false;
        }
        if (place_ == Place::root && key_ == kEntriesKey && !entries_seen_) {
            place_ = Place::entries;
            entries_seen_ = true;
            return true;
        }
        return skip_unknown();
    }
    bool end_object() { return end_container(); }
    bool end_array() { return end_container(); }

    bool string(std::string& text) {
        if (place_ == Place::entry) {
            if (const auto* field = find_field(kTextFields, key_)) {
                (entry_.*field->member).swap(text);
                return true;
            }
            if (key_ == kExactNameKey || key_ == kExactLinkNameKey) {
                (key_ == kExactNameKey ? exact_name_ : exact_link_name_).swap(text);
                return true;
            }
        } else if (place_ == Place::xattrs) {
            auto value = from_base64(text);
            if (!value) {
                return stop("an xattr is not base64");
            }
            entry_.xattrs.push_back({.name = key_, .value = *std::move(value)});
            return true;
        }
        return other_scalar();
    }
    bool number_unsigned(std::uint64_t number) {
        if (place_ == Place::root && key_ == kVersionKey) {
            version_ = number;
            return true;
        }
        if (place_ == Place::entry) {
            if (const auto* field = find_field(kNumberFields, key_)) {
                if (number > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
                    return wrong_kind();
                }
                entry_.*field->member = number;
                return true;
            }
        }
        return other_scalar();
    }
    bool number_integer(std::int64_t number) {
        // Negative. Owners below zero are written by some systems and mean what chown(2) makes of
        // them.
        if (place_ == Place::entry && (key_ == "uid" || key_ == "gid") &&
            number >= std::numeric_limits<std::int32_t>::min()) {
            entry_.*find_field(kNumberFields, key_)->member = static_cast<std::uint32_t>(number);
            return true;
        }
        return other_scalar();
    }
    bool number_float(double, const std::string&) { return other_scalar(); }
    bool boolean(bool) { return other_scalar(); }
    bool binary(Json::binary_t&) { return other_scalar(); }
    bool null() {
        // Go writes an empty byte slice, map or list that was never made as null.
        if (place_ == Place::xattrs) {
            entry_.xattrs.push_back({.name = key_, .value = {}});
            return true;
        }
        if (place_ == Place::root && key_ == kEntriesKey && !entries_seen_) {
            entries_seen_ = true;
            return true;
        }
        return place_ == Place::entry || other_scalar();
    }
    bool parse_error(std::size_t position, const std::string&, const Json::exception&) {
        error_ = corrupt(fmt::format("TOC: not JSON near byte {}", position));
        return false;
    }

  private:
    enum class Place { document, root, entries, entry, xattrs, unknown };

    bool stop(std::string_view reason) {
        error_ = corrupt(place_ == Place::entry || place_ == Place::xattrs
                             ? fmt::format("TOC: entry \"{}\": {}", shown(entry_.name), reason)
                             : fmt::format("TOC: {}", reason));
        return false;
    }
    bool go_deeper() {
        if (++depth_ > kTocDepthMax) {
            error_ = over_limit(fmt::format("TOC: JSON nested more than {} deep", kTocDepthMax));
            return false;
        }
        return true;
    }
    bool key_is_known() const {
        switch (place_) {
            case Place::root: return key_ == kVersionKey || key_ == kEntriesKey;
            case Place::entry: return is_entry_field(key_);
            case Place::unknown: return false;
            default: return true;  // what stands there is never optional
        }
    }
    /// Enters an object or array that nobody asked for.
    bool skip_unknown() {
        if (key_is_known()) {
            return wrong_kind();
        }
        if (place_ != Place::unknown) {
            place_around_unknown_ = std::exchange(place_, Place::unknown);
            unknown_depth_ = depth_;
        }
        return true;
    }
    bool other_scalar() { return !key_is_known() || wrong_kind(); }
    bool wrong_kind() {
        return place_ == Place::document
                   ? stop("not a JSON object")
                   : stop(fmt::format("{} is of the wrong kind or out of range", key_));
    }
    bool end_container() {
        const std::size_t closed_depth = depth_--;
        switch (place_) {
            case Place::unknown:
                if (closed_depth == unknown_depth_) {
                    place_ = place_around_unknown_;
                }
                return true;
            case Place::xattrs: place_ = Place::entry; return true;
            case Place::entry: place_ = Place::entries; return hand_over();
            case Place::entries: place_ = Place::root; return true;
            default: place_ = Place::document; return true;
        }
    }
    /// Puts the exact bytes of a name in the place of what JSON could say of it.
    bool settle(std::string& name, const std::string& exact_base64) {
        if (exact_base64.empty()) {
            if (is_sayable(name)) {
                return true;
            }
            error_ = Error{.code = std::errc::not_supported,
                           .message = fmt::format("TOC: the bytes of a name are not known: it is "
                                                  "not UTF-8, and says \"{}\"",
                                                  shown(name))};
            return false;
        }
        auto exact = from_base64(exact_base64);
        if (!exact || as_utf8(*exact) != name) {
            error_ = corrupt(fmt::format("TOC: entry \"{}\": another name in base64", shown(name)));
            return false;
        }
        name = *std::move(exact);
        return true;
    }
    static std::string_view shown(std::string_view name) {
        constexpr std::size_t kShownBytesMax = 200;
        return name.substr(0, kShownBytesMax);
    }
    bool settle_names() {
        return settle(entry_.name, exact_name_) && settle(entry_.link_name, exact_link_name_) &&
               std::ranges::all_of(entry_.xattrs,
                                   [this](Xattr& xattr) { return settle(xattr.name, {}); });
    }
    bool hand_over() {
        if (!settle_names()) {
            return false;
        }
        if (auto taken = take_(std::move(entry_)); !taken) {
            error_ = std::move(taken).error();
            return false;
        }
        return true;
    }

    const std::function<Result<void>(TocEntry)>& take_;
    std::optional<Error> error_;
    Place place_ = Place::document;
    Place place_around_unknown_ = Place::document;
    std::size_t depth_ = 0;
    std::size_t unknown_depth_ = 0;
    std::string key_;
    TocEntry entry_;
    std::string exact_name_;
    std::string exact_link_name_;
    std::uint64_t version_ = 0;
    bool entries_seen_ = false;
};

/// The characters of a source, one after the other. A source that fails looks as if it ended.
class CharacterBuffer {
  public:
    explicit CharacterBuffer(ByteSource& source) : source_(source), buffer_(kBufferBytes) {
        refill();
    }

    bool at_end() const { return unread_.empty(); }
    char current() const { return unread_.front(); }
    void advance() {
        unread_.remove_prefix(1);
        if (unread_.empty()) {
            refill();
        }
    }
    Result<void> outcome() const { return outcome_; }

  private:
    static constexpr std::size_t kBufferBytes = 64 << 10;

    void refill() {
        const Result<std::size_t> count = source_.read(buffer_);
        if (!count) {
            outcome_ = fail(count.error());
        }
        unread_ = as_text(ByteView{buffer_}.first(count.value_or(0)));
    }

    ByteSource& source_;
    Bytes buffer_;
    std::string_view unread_;
    Result<void> outcome_;
};

/// What the JSON library wants to see of a CharacterBuffer. Without one it is the end.
class CharacterIterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = char;

    CharacterIterator() = default;
    explicit CharacterIterator(CharacterBuffer* buffer) : buffer_(buffer) {}

    char operator*() const { return buffer_->current(); }
    CharacterIterator& operator++() {
        buffer_->advance();
        return *this;
    }
    CharacterIterator operator++(int) {
        CharacterIterator before = *this;
        buffer_->advance();
        return before;
    }
    bool operator==(const CharacterIterator& other) const { return at_end() == other.at_end(); }

  private:
    bool at_end() const { return buffer_ == nullptr || buffer_->at_end(); }
    CharacterBuffer* buffer_ = nullptr;
};

}  // namespace

Result<void> read_toc_json(ByteSource& json, const std::function<Result<void>(TocEntry)>& take) {
    TocEvents events(take);
    CharacterBuffer characters(json);
    nlohmann::json::sax_parse(CharacterIterator(&characters), CharacterIterator(), &events);
    CHECK_OK(characters.outcome());
    return std::move(events).outcome();
}

}  // namespace lazybuild::codec
