// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "base/csv.h"
#include "base/suggest.h"
#include "builder/export/annotations.h"
#include "builder/export/compression_choice.h"
#include "builder/export/exporter.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::exporter {
namespace {

constexpr std::size_t kOutputBytesMax = 64 << 10;
constexpr std::string_view kAnnotation = "annotation";

const std::map<std::string, Output::Type, std::less<>> kTypes = {
    {"image", Output::Type::image},
    {"registry", Output::Type::registry},
    {"oci", Output::Type::oci},
    {"docker", Output::Type::docker},
    {"local", Output::Type::local},
    {"tar", Output::Type::tar},
    {"cacheonly", Output::Type::cacheonly}};
const std::map<std::string, layers::Compression, std::less<>> kCompressions{
    kCompressionNames.begin(), kCompressionNames.end()};

template <class Value>
std::vector<std::string> names_of(const std::map<std::string, Value, std::less<>>& values) {
    std::vector<std::string> names;
    for (const auto& [name, value] : values) {
        names.push_back(name);
    }
    return names;
}

Error unknown(std::string_view what, std::string_view word, const std::vector<std::string>& known) {
    std::string list;
    for (const std::string& name : known) {
        list += list.empty() ? name : ", " + name;
    }
    const std::string near = nearest(word, known);
    return invalid(fmt::format("unknown {} \"{}\"{}; there are: {}", what, word,
                               near.empty() ? "" : fmt::format(", did you mean {}?", near), list));
}

Result<bool> parse_flag(const std::string& key, const std::string& value) {
    if (value == "true" || value == "1") {
        return true;
    }
    if (value == "false" || value == "0") {
        return false;
    }
    return fail(invalid(fmt::format("{}={}: neither true nor false", key, value)));
}

Result<std::int64_t> parse_number(const std::string& key, const std::string& value) {
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (failure != std::errc{} || end != value.data() + value.size()) {
        return fail(invalid(fmt::format("{}={}: not a whole number", key, value)));
    }
    return number;
}

// Reads the fields of one output, key by key.
class OutputParser {
  public:
    Result<Output> parse(const std::vector<std::string>& fields);

  private:
    using Setter = std::function<Result<void>(const std::string& key, const std::string& value)>;
    std::map<std::string, Setter, std::less<>> setters();
    Setter flag(bool& to) const;
    Result<void> set_type(const std::string& value);
    Result<void> set_names(const std::string& value);
    Result<void> set_compression(const std::string& value);
    Result<void> set_mode(const std::string& value);
    Result<void> check();
    Result<void> check_compression();

    Output output_;
    bool type_given_ = false;
    bool compression_given_ = false;
};

OutputParser::Setter OutputParser::flag(bool& to) const {
    return [&to](const std::string& key, const std::string& value) -> Result<void> {
        TRY(to, parse_flag(key, value));
        return {};
    };
}

Result<void> OutputParser::set_type(const std::string& value) {
    const auto type = kTypes.find(value);
    if (type == kTypes.end()) {
        return fail(unknown("type", value, names_of(kTypes)));
    }
    output_.type = type->second;
    type_given_ = true;
    return {};
}

Result<void> OutputParser::set_names(const std::string& value) {
    std::size_t begin = 0;
    while (begin <= value.size()) {
        const std::size_t end = std::min(value.find(',', begin), value.size());
        const std::string name = value.substr(begin, end - begin);
        TRY(const auto reference, registry::Reference::parse(name));
        output_.names.push_back(reference.text());
        begin = end + 1;
    }
    return {};
}

Result<void> OutputParser::set_compression(const std::string& value) {
    const auto compression = kCompressions.find(value);
    if (compression == kCompressions.end()) {
        return fail(unknown("compression", value, names_of(kCompressions)));
    }
    output_.compression = compression->second;
    compression_given_ = true;
    return {};
}

Result<void> OutputParser::set_mode(const std::string& value) {
    if (value != "copy" && value != "delete") {
        return fail(unknown("mode", value, {"copy", "delete"}));
    }
    output_.delete_others = value == "delete";
    return {};
}

std::map<std::string, OutputParser::Setter, std::less<>> OutputParser::setters() {
    std::map<std::string, Setter, std::less<>> all;
    all["type"] = [this](const auto& /*key*/, const auto& value) { return set_type(value); };
    all["name"] = [this](const auto& /*key*/, const auto& value) { return set_names(value); };
    all["compression"] = [this](const auto& /*key*/, const auto& value) {
        return set_compression(value);
    };
    all["dest"] = [this](const auto& key, const auto& value) -> Result<void> {
        if (value.empty()) {
            return fail(invalid(fmt::format("{}= without a path", key)));
        }
        output_.destination = value;
        return {};
    };
    all["compression-level"] = [this](const auto& key, const auto& value) -> Result<void> {
        TRY(const std::int64_t level, parse_number(key, value));
        output_.compression_level = static_cast<int>(std::clamp<std::int64_t>(level, -1, 1000));
        return {};
    };
    all["source-date-epoch"] = [this](const auto& key, const auto& value) -> Result<void> {
        TRY(output_.source_date_epoch_s, parse_number(key, value));
        return {};
    };
    all["platform-split"] = [this](const auto& key, const auto& value) -> Result<void> {
        TRY(output_.platform_split, parse_flag(key, value));
        return {};
    };
    all["mode"] = [this](const auto& /*key*/, const auto& value) { return set_mode(value); };
    all["dangling-name-prefix"] = [this](const auto& key, const auto& value) -> Result<void> {
        if (value.empty()) {
            return fail(invalid(fmt::format("{}= without a prefix", key)));
        }
        output_.dangling_name_prefix = value;
        return {};
    };
    all["prefer-nondist-layers"] = [](const auto& key, const auto& value) -> Result<void> {
        TRY(const bool prefer, parse_flag(key, value));
        return prefer ? Result<void>{}
                      : fail(invalid("prefer-nondist-layers=false: layers that a base calls "
                                     "non-distributable stay so; leave the key out"));
    };
    // What they choose makes no difference here: an image that is kept needs no unpacking, no
    // attestations are written that could be artifacts, and only images without a name get one.
    for (const char* const key :
         {"unpack", "oci-artifact", "dangling-name-empty-only", "danging-name-empty-only"}) {
        all[key] = [](const auto& name, const auto& value) -> Result<void> {
            CHECK_OK(parse_flag(name, value));
            return {};
        };
    }
    all["registry.insecure"] = flag(output_.insecure);
    all["push"] = flag(output_.push);
    all["tar"] = flag(output_.tar_file);
    all["store"] = flag(output_.store);
    all["force-compression"] = flag(output_.force_compression);
    all["oci-mediatypes"] = flag(output_.oci_media_types);
    all["rewrite-timestamp"] = flag(output_.rewrite_timestamps);
    all["push-by-digest"] = flag(output_.push_by_digest);
    all["name-canonical"] = flag(output_.name_canonical);
    return all;
}

Result<void> OutputParser::check_compression() {
    TRY(output_.compression, choose_compression({.compression = output_.compression,
                                                 .given = compression_given_,
                                                 .level = output_.compression_level,
                                                 .oci_media_types = output_.oci_media_types}));
    return {};
}

Result<void> OutputParser::check() {
    using enum Output::Type;
    const Output::Type type = output_.type;
    if ((type == local || type == tar) && output_.destination.empty()) {
        return fail(
            invalid(fmt::format("type={} needs dest=PATH", type == local ? "local" : "tar")));
    }
    if (type == local && output_.destination == "-") {
        return fail(invalid("type=local writes a directory, which stdout is not; use type=tar"));
    }
    if (output_.delete_others && type != local) {
        return fail(invalid("mode=delete is for type=local"));
    }
    if (type == oci && output_.destination.empty()) {
        output_.destination = "-";
    }
    if (!output_.tar_file && (output_.destination.empty() || output_.destination == "-")) {
        return fail(invalid("tar=false writes a directory: it needs dest=DIRECTORY"));
    }
    if (type == registry) {
        output_.push = true;
    }
    if (output_.push_by_digest) {
        output_.push = true;
    }
    CHECK_OK(check_compression());
    TRY(const Annotations annotations, Annotations::parse(output_.annotations));
    if (!annotations.empty() && !output_.oci_media_types && annotations.beyond_manifests()) {
        return fail(invalid("oci-mediatypes=false: only manifests can be annotated"));
    }
    return {};
}

Result<Output> OutputParser::parse(const std::vector<std::string>& fields) {
    const auto known = setters();
    for (const std::string& field : fields) {
        const std::size_t equals = field.find('=');
        if (equals == std::string::npos) {
            return fail(invalid(fmt::format("\"{}\" is not KEY=VALUE", field)));
        }
        const std::string key = field.substr(0, equals);
        const std::string value = field.substr(equals + 1);
        if (key.starts_with(kAnnotation)) {
            output_.annotations[key.substr(kAnnotation.size())] = value;
            continue;
        }
        const auto setter = known.find(key);
        if (setter == known.end()) {
            return fail(unknown("key", key, names_of(known)));
        }
        CHECK_OK(setter->second(key, value));
    }
    if (!type_given_) {
        return fail(invalid("type= is missing: \"type=image,…\", or only a path for type=local"));
    }
    CHECK_OK(check());
    return std::move(output_);
}

}  // namespace

Result<Output> Output::parse(const std::string& text) {
    const std::string what = fmt::format("--output \"{}\"", text.substr(0, 200));
    if (text.empty() || text.size() > kOutputBytesMax) {
        return fail(invalid(what + ": empty, or too long"));
    }
    auto fields = split_fields(text);
    if (!fields) {
        return fail(std::move(fields).error().context(what));
    }
    const bool bare = fields->size() == 1 && fields->front().find('=') == std::string::npos;
    if (bare) {
        if (fields->front().empty()) {
            return fail(invalid(what + ": empty"));
        }
        Output output;
        output.type = fields->front() == "-" ? Type::tar : Type::local;
        output.destination = fields->front();
        return output;
    }
    auto output = OutputParser{}.parse(*fields);
    if (!output) {
        return fail(std::move(output).error().context(what));
    }
    return output;
}

Result<void> Output::add_annotation(const std::string& text) {
    TRY(const auto keys, annotation_keys(text));
    for (const auto& [key, value] : keys) {
        annotations[key] = value;
    }
    return {};
}

int Output::level() const {
    return level_of(compression, compression_level);
}

}  // namespace lazybuild::exporter
