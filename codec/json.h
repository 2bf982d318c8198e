// SPDX-License-Identifier: Apache-2.0
// Small JSON documents from outside, read with limits and with errors that name the place:
// "manifest.layers[2].size: not a whole number of at least 0".
//
// Documents are ordered, so that what is parsed, edited and written again keeps its order and every
// member that nobody here knows. Large documents (TOCs) are not read through this.
//
// Source: RFC 8259. Duplicate member names, which it leaves open, are refused: two readers that
// choose differently would see two documents under one digest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/digest.h"

namespace lazybuild::codec {

using Json = nlohmann::ordered_json;

/// sorted, so that what is written from it is always the same
using StringMap = std::map<std::string, std::string>;

inline constexpr std::size_t kJsonDocumentBytesMax = 4 << 20;
inline constexpr std::size_t kJsonDepthMax = 64;
/// Of one object. Ordered objects look members up one by one, so that many are quadratic work.
inline constexpr std::size_t kJsonMembersMax = 2048;

/// Compact, on one line. Never fails: text that is no UTF-8 gets replacement characters.
std::string json_text(const Json& value);
/// Indented by two spaces, with a newline at the end: for people.
std::string json_pretty(const Json& value);

/// One value of a parsed document and the path to it. Borrows the document.
/// All Errors are bad_message and begin with the path.
class JsonPlace {
  public:
    JsonPlace(const Json& value, std::string path) : value_(&value), path_(std::move(path)) {}

    const std::string& path() const { return path_; }
    const Json& value() const { return *value_; }
    /// An Error at this place: "<path>: <what>".
    Error error(std::string_view what) const;

    bool is_object() const;
    /// A member of this object; nullopt when it is absent, null, or this is no object.
    std::optional<JsonPlace> find(std::string_view member) const;
    /// A member that must be there and not be null.
    Result<JsonPlace> at(std::string_view member) const;

    Result<std::string> text() const;
    Result<std::uint64_t> whole_number() const;
    Result<Digest> digest() const;
    Result<std::vector<JsonPlace>> array() const;
    Result<std::vector<std::string>> text_array() const;
    /// An object whose values are all strings.
    Result<StringMap> text_map() const;
    /// The names of an object's members, in order.
    Result<std::vector<std::string>> member_names() const;

    /// Shorthands for optional members: what is absent or null is empty.
    Result<std::string> text_or_empty(std::string_view member) const;
    Result<std::vector<std::string>> text_array_or_empty(std::string_view member) const;
    Result<StringMap> text_map_or_empty(std::string_view member) const;

  private:
    const Json* value_;
    std::string path_;
};

/// A parsed document. Movable.
class JsonDocument {
  public:
    /// `name` is what errors call the document: "manifest".
    /// Errors: bad_message with the byte offset; over_limit past the limits above.
    static Result<JsonDocument> parse(ByteView text, std::string_view name,
                                      std::size_t limit_bytes = kJsonDocumentBytesMax);
    JsonDocument(JsonDocument&&) noexcept;
    JsonDocument& operator=(JsonDocument&&) noexcept;
    ~JsonDocument();

    /// Borrows this document.
    JsonPlace root() const { return JsonPlace{*value_, name_}; }

  private:
    JsonDocument(std::unique_ptr<Json> value, std::string name);
    std::unique_ptr<Json> value_;
    std::string name_;
};

}  // namespace lazybuild::codec
