// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/cache_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/csv.h"
#include "base/suggest.h"
#include "builder/export/compression_choice.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::cache {
namespace {

constexpr std::size_t kOptionBytesMax = 64 << 10;

template <class Value>
using Table = std::map<std::string, Value, std::less<>>;

const Table<Backend> kBackends = {
    {"registry", Backend::registry}, {"local", Backend::local}, {"inline", Backend::inlined}};
const std::vector<std::string> kBackendsElsewhere = {"gha", "s3", "azblob"};
const Table<Mode> kModes = {{"min", Mode::min}, {"max", Mode::max}};
const Table<layers::Compression> kCompressions{exporter::kCompressionNames.begin(),
                                               exporter::kCompressionNames.end()};

template <class Value>
std::vector<std::string> names_of(const Table<Value>& table) {
    std::vector<std::string> names;
    for (const auto& [name, value] : table) {
        names.push_back(name);
    }
    return names;
}

Error unknown(std::string_view what, std::string_view word, const std::vector<std::string>& known) {
    const std::string near = nearest(word, known);
    return invalid(fmt::format("unknown {} \"{}\"{}; there are: {}", what, word,
                               near.empty() ? "" : fmt::format(", did you mean {}?", near),
                               fmt::join(known, ", ")));
}

// Fields by key; the last of several wins, as with buildx.
struct Fields {
    std::string type;
    std::vector<std::pair<std::string, std::string>> others;
};

Result<Fields> split(const std::string& text) {
    if (text.empty() || text.size() > kOptionBytesMax) {
        return fail(invalid("empty, or too long"));
    }
    auto split = split_fields(text);
    if (!split) {
        return fail(invalid("a quote is not closed"));
    }
    Fields fields;
    if (split->size() == 1 && split->front().find('=') == std::string::npos) {
        fields.type = "registry";
        fields.others.emplace_back("ref", split->front());
        return fields;
    }
    for (std::size_t i = 0; i < split->size(); ++i) {
        const std::string& field = (*split)[i];
        const std::size_t equals = field.find('=');
        if (equals == std::string::npos) {
            return fail(invalid(fmt::format("field {} is not KEY=VALUE{}", i + 1,
                                            i == 0 ? "; a reference with attributes is "
                                                     "type=registry,ref=REFERENCE,KEY=VALUE"
                                                   : "")));
        }
        std::string key = field.substr(0, equals);
        std::ranges::transform(key, key.begin(), [](char letter) {
            return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
        });
        if (key == "type") {
            fields.type = field.substr(equals + 1);
        } else {
            fields.others.emplace_back(std::move(key), field.substr(equals + 1));
        }
    }
    return fields;
}

Result<Backend> backend_of(const std::string& type) {
    if (type.empty()) {
        return fail(invalid("type= is missing: \"type=registry,ref=…\", or only a reference"));
    }
    if (const auto backend = kBackends.find(type); backend != kBackends.end()) {
        return backend->second;
    }
    if (std::ranges::find(kBackendsElsewhere, type) != kBackendsElsewhere.end()) {
        return fail(Error{.code = std::errc::not_supported,
                          .message = fmt::format("type={} is not supported yet; there are: {}",
                                                 type, fmt::join(names_of(kBackends), ", "))});
    }
    std::vector<std::string> known = names_of(kBackends);
    known.insert(known.end(), kBackendsElsewhere.begin(), kBackendsElsewhere.end());
    return fail(unknown("type", type, known));
}

// What becomes of each key of one type.
using Setter = std::function<Result<void>(const std::string& value)>;
using Setters = Table<Setter>;

Result<void> set_all(const Fields& fields, const Setters& setters) {
    for (const auto& [key, value] : fields.others) {
        const auto setter = setters.find(key);
        if (setter == setters.end()) {
            return fail(unknown("key", key, names_of(setters)));
        }
        auto set = setter->second(value);
        if (!set) {
            return fail(std::move(set).error().context(key));
        }
    }
    return {};
}

Setter text(std::string& to) {
    return [&to](const std::string& value) -> Result<void> {
        if (value.empty()) {
            return fail(invalid("nothing follows the ="));
        }
        to = value;
        return {};
    };
}

Setter flag(bool& to) {
    return [&to](const std::string& value) -> Result<void> {
        if (value != "true" && value != "1" && value != "false" && value != "0") {
            return fail(invalid("neither true nor false"));
        }
        to = value == "true" || value == "1";
        return {};
    };
}

template <class Value>
Setter one_of(const Table<Value>& table, Value& to) {
    return [&table, &to](const std::string& value) -> Result<void> {
        const auto found = table.find(value);
        if (found == table.end()) {
            return fail(unknown("value", value, names_of(table)));
        }
        to = found->second;
        return {};
    };
}

Setter level(std::optional<int>& to) {
    return [&to](const std::string& value) -> Result<void> {
        int number = 0;
        const auto [end, failure] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (failure != std::errc{} || end != value.data() + value.size()) {
            return fail(invalid("not a whole number"));
        }
        to = number;
        return {};
    };
}

Setter reference(std::string& to) {
    return [&to](const std::string& value) -> Result<void> {
        TRY(const auto parsed, registry::Reference::parse(value));
        to = parsed.text();
        return {};
    };
}

Setter tag(std::string& to) {
    return [&to](const std::string& value) -> Result<void> {
        if (!registry::is_valid_tag(value)) {
            return fail(invalid("not a tag: up to 128 of A-Z a-z 0-9 _ . -"));
        }
        to = value;
        return {};
    };
}

Setters setters_of(CacheTo& to, bool& compression_given) {
    Setters all;
    all["ignore-error"] = flag(to.ignore_error);
    all["strict"] = flag(to.strict);
    all["mode"] = one_of(kModes, to.mode);
    if (to.backend == Backend::inlined) {
        return all;
    }
    all["compression"] = [&to, &compression_given](const std::string& value) {
        compression_given = true;
        return one_of(kCompressions, to.compression)(value);
    };
    all["compression-level"] = level(to.compression_level);
    all["force-compression"] = flag(to.force_compression);
    all["oci-mediatypes"] = flag(to.oci_media_types);
    all["mounts"] = flag(to.mounts);
    all["image-manifest"] = flag(to.image_manifest);
    if (to.backend == Backend::registry) {
        all["ref"] = reference(to.reference);
        all["registry.insecure"] = flag(to.insecure);
    } else {
        all["dest"] = text(to.directory);
        all["tag"] = tag(to.tag);
        all["reset"] = flag(to.reset);
    }
    return all;
}

Result<void> check(CacheTo& to, bool compression_given) {
    if (to.backend == Backend::registry) {
        if (to.reference.empty()) {
            return fail(invalid("type=registry needs ref=NAME:TAG"));
        }
        TRY(const auto parsed, registry::Reference::parse(to.reference));
        if (parsed.digest) {
            return fail(invalid("ref: a digest names what is there already; give a tag"));
        }
    }
    if (to.backend == Backend::local && to.directory.empty()) {
        return fail(invalid("type=local needs dest=DIRECTORY"));
    }
    if (to.backend == Backend::inlined && to.mode == Mode::max) {
        return fail(invalid(
            "type=inline has room for the image's own layers only (mode=min); for mode=max say "
            "type=registry,ref=…,mode=max"));
    }
    TRY(to.compression, exporter::choose_compression({.compression = to.compression,
                                                      .given = compression_given,
                                                      .level = to.compression_level,
                                                      .oci_media_types = to.oci_media_types}));
    if (!to.oci_media_types) {
        to.image_manifest = false;  // as BuildKit: Docker's manifest has no place for the config
    }
    return {};
}

Result<CacheTo> parse_to(const std::string& text, bool strict_default) {
    TRY(const Fields fields, split(text));
    CacheTo to;
    TRY(to.backend, backend_of(fields.type));
    to.strict = strict_default;
    bool compression_given = false;
    CHECK_OK(set_all(fields, setters_of(to, compression_given)));
    CHECK_OK(check(to, compression_given));
    return to;
}

Result<CacheFrom> parse_from(const std::string& text) {
    TRY(const Fields fields, split(text));
    CacheFrom from;
    TRY(from.backend, backend_of(fields.type));
    Setters all;
    if (from.backend == Backend::inlined) {
        return fail(
            invalid("an inline cache is read from the image that has it: type=registry,ref=IMAGE"));
    }
    if (from.backend == Backend::registry) {
        all["ref"] = reference(from.reference);
        all["registry.insecure"] = flag(from.insecure);
    } else {
        all["src"] = lazybuild::cache::text(from.directory);
        all["tag"] = tag(from.tag);
        all["digest"] = [&from](const std::string& value) -> Result<void> {
            TRY(from.digest, codec::Digest::parse(value));
            return {};
        };
    }
    CHECK_OK(set_all(fields, all));
    if (from.backend == Backend::registry && from.reference.empty()) {
        return fail(invalid("type=registry needs ref=NAME:TAG"));
    }
    if (from.backend == Backend::local && from.directory.empty()) {
        return fail(invalid("type=local needs src=DIRECTORY"));
    }
    return from;
}

std::string name_of(Backend backend, const std::string& reference, const std::string& directory) {
    switch (backend) {
        case Backend::registry: return reference;
        case Backend::local: return directory;
        case Backend::inlined: break;
    }
    return "inline";
}

}  // namespace

Result<CacheTo> CacheTo::parse(const std::string& text, bool strict_default) {
    auto parsed = parse_to(text, strict_default);
    if (!parsed) {
        return fail(std::move(parsed).error().context("--cache-to"));
    }
    return parsed;
}

std::string CacheTo::name() const {
    return name_of(backend, reference, directory);
}

int CacheTo::level() const {
    return exporter::level_of(compression, compression_level);
}

std::vector<std::string> caches_named(const std::string& text) {
    const auto fields = split_fields(text);
    const auto has_key = [](const std::string& field) {
        return field.find('=') != std::string::npos;
    };
    return fields && std::ranges::none_of(*fields, has_key) ? *fields : std::vector{text};
}

Result<CacheFrom> CacheFrom::parse(const std::string& text) {
    auto parsed = parse_from(text);
    if (!parsed) {
        return fail(std::move(parsed).error().context("--cache-from"));
    }
    return parsed;
}

std::string CacheFrom::name() const {
    return name_of(backend, reference, directory);
}

}  // namespace lazybuild::cache
