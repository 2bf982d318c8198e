// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace lazybuild::codec {
namespace {

// Refuses what the DOM parser would silently accept: duplicate members (it keeps one of them) and
// deep nesting (which recursive writers would pay for with their stack).
class Validator final : public nlohmann::json_sax<Json> {
  public:
    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(number_integer_t /*value*/) override { return true; }
    bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
    bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
    bool string(string_t& /*value*/) override { return true; }
    bool binary(binary_t& /*value*/) override { return true; }

    bool start_object(std::size_t /*elements*/) override { return enter(); }
    bool start_array(std::size_t /*elements*/) override { return enter(); }
    bool end_object() override { return leave(); }
    bool end_array() override { return leave(); }

    bool key(string_t& name) override {
        if (names_.back().size() == kJsonMembersMax) {
            error_ = over_limit(fmt::format("an object of more than {} members", kJsonMembersMax));
            return false;
        }
        if (names_.back().insert(name).second) {
            return true;
        }
        error_ = corrupt(fmt::format("member \"{}\" is there twice", name));
        return false;
    }

    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*error*/) override {
        error_ = corrupt(fmt::format("not JSON at byte {}", position));
        return false;
    }

    Error take_error() { return std::move(error_); }

  private:
    bool enter() {
        if (names_.size() == kJsonDepthMax) {
            error_ = over_limit(fmt::format("nested deeper than {}", kJsonDepthMax));
            return false;
        }
        names_.emplace_back();
        return true;
    }
    bool leave() {
        names_.pop_back();
        return true;
    }

    std::vector<std::set<std::string, std::less<>>> names_;
    Error error_;
};

}  // namespace

JsonDocument::JsonDocument(std::unique_ptr<Json> value, std::string name)
    : value_(std::move(value)), name_(std::move(name)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

Result<JsonDocument> JsonDocument::parse(ByteView text, std::string_view name,
                                         std::size_t limit_bytes) {
    if (text.size() > limit_bytes) {
        return fail(over_limit(fmt::format("{}: {} bytes, more than the {} that are allowed", name,
                                           text.size(), limit_bytes)));
    }
    const std::string_view characters = as_text(text);
    Validator validator;
    if (!Json::sax_parse(characters, &validator)) {
        return fail(validator.take_error().context(name));
    }
    auto value =
        std::make_unique<Json>(Json::parse(characters, nullptr, /*allow_exceptions=*/false));
    return JsonDocument{std::move(value), std::string{name}};
}

std::string json_text(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string json_pretty(const Json& value) {
    return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Error JsonPlace::error(std::string_view what) const {
    return corrupt(fmt::format("{}: {}", path_, what));
}

bool JsonPlace::is_object() const {
    return value_->is_object();
}

std::optional<JsonPlace> JsonPlace::find(std::string_view member) const {
    if (!value_->is_object()) {
        return std::nullopt;
    }
    const std::string name{member};
    const auto found = value_->find(name);
    if (found == value_->end() || found->is_null()) {
        return std::nullopt;
    }
    return JsonPlace{*found, path_ + "." + name};
}

Result<JsonPlace> JsonPlace::at(std::string_view member) const {
    if (!value_->is_object()) {
        return fail(error("not an object"));
    }
    auto found = find(member);
    if (!found) {
        return fail(corrupt(fmt::format("{}.{}: missing", path_, member)));
    }
    return *std::move(found);
}

Result<std::string> JsonPlace::text() const {
    if (!value_->is_string()) {
        return fail(error("not a string"));
    }
    return value_->get_ref<const std::string&>();
}

Result<std::uint64_t> JsonPlace::whole_number() const {
    if (!value_->is_number_unsigned()) {
        return fail(error("not a whole number of at least 0"));
    }
    return value_->get<std::uint64_t>();
}

Result<Digest> JsonPlace::digest() const {
    TRY(const std::string written, text());
    auto parsed = Digest::parse(written);
    if (!parsed) {
        return fail(std::move(parsed).error().context(path_));
    }
    return *parsed;
}

Result<std::vector<JsonPlace>> JsonPlace::array() const {
    if (!value_->is_array()) {
        return fail(error("not an array"));
    }
    std::vector<JsonPlace> places;
    places.reserve(value_->size());
    for (const Json& element : *value_) {
        places.emplace_back(element, fmt::format("{}[{}]", path_, places.size()));
    }
    return places;
}

Result<std::vector<std::string>> JsonPlace::text_array() const {
    TRY(const std::vector<JsonPlace> places, array());
    std::vector<std::string> texts;
    texts.reserve(places.size());
    for (const JsonPlace& place : places) {
        TRY(std::string element, place.text());
        texts.push_back(std::move(element));
    }
    return texts;
}

Result<StringMap> JsonPlace::text_map() const {
    if (!value_->is_object()) {
        return fail(error("not an object"));
    }
    StringMap map;
    for (const auto& [name, element] : value_->items()) {
        TRY(std::string written, (JsonPlace{element, path_ + "." + name}.text()));
        map.emplace(name, std::move(written));
    }
    return map;
}

Result<std::vector<std::string>> JsonPlace::member_names() const {
    if (!value_->is_object()) {
        return fail(error("not an object"));
    }
    std::vector<std::string> names;
    for (const auto& [name, element] : value_->items()) {
        names.push_back(name);
    }
    return names;
}

Result<std::string> JsonPlace::text_or_empty(std::string_view member) const {
    const auto place = find(member);
    return place ? place->text() : std::string{};
}

Result<std::vector<std::string>> JsonPlace::text_array_or_empty(std::string_view member) const {
    const auto place = find(member);
    return place ? place->text_array() : std::vector<std::string>{};
}

Result<StringMap> JsonPlace::text_map_or_empty(std::string_view member) const {
    const auto place = find(member);
    return place ? place->text_map() : StringMap{};
}

}  // namespace lazybuild::codec
