// SPDX-License-Identifier: Apache-2.0
// The annotations of an output, by where they belong: to manifests, to the index, or to the
// descriptors of either.
//
// As keys of an output: "annotation[-manifest|-manifest-descriptor|-index|-index-descriptor]
// [\[PLATFORM\]].KEY". As buildx's --annotation: "[TYPE[\[PLATFORM\]][,TYPE…]:]KEY=VALUE".
//
// Source: docker's "Annotations" and buildx's reference of --annotation. Threads: any.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/oci_platform.h"

namespace lazybuild::exporter {

class Annotations {
  public:
    /// Output::annotations. Errors: invalid_argument, naming the key.
    static Result<Annotations> parse(const std::map<std::string, std::string>& written);

    bool empty() const { return all_.empty(); }
    /// Something is annotated that is neither a manifest nor an index.
    bool beyond_manifests() const;
    bool of_index() const;

    codec::StringMap manifest(const codec::Platform& platform) const;
    codec::StringMap manifest_descriptor(const codec::Platform& platform) const;
    codec::StringMap index() const;
    codec::StringMap index_descriptor() const;

  private:
    enum class Level { manifest, manifest_descriptor, index, index_descriptor };
    struct Annotation {
        Level level = Level::manifest;
        std::optional<codec::Platform> platform;
        std::string key;
        std::string value;
    };
    codec::StringMap of(Level level, const codec::Platform* platform) const;

    std::vector<Annotation> all_;
};

/// One --annotation as members of Output::annotations. Errors: invalid_argument.
Result<std::map<std::string, std::string>> annotation_keys(const std::string& text);

}  // namespace lazybuild::exporter
