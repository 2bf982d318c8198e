// SPDX-License-Identifier: Apache-2.0
// containerd's filters, as List is given them: which snapshots are meant.
//
//   filter    = selector {"," selector}               all must match; an empty filter matches all
//   selector  = fieldpath [("==" | "!=" | "~=") value]   without operator: the field is present
//   fieldpath = field {"." field}
//   field     = quoted | [A-Za-z0-9_]+
//   value     = quoted | everything up to a comma or a space; not beginning with / | . = ! ~
//   quoted    = "…" with Go's escapes; a value of ~= may also be quoted with /…/ or |…|
//
// Spaces may stand before a field, an operator and a value, but not behind the last of a selector.
// A regular expression that cannot be compiled is an error; containerd lets it match nothing.
//
// Fields: name, parent, kind (active, view, committed), labels.<key>. A field that is absent equals
// nothing, not even ""; to != and ~= it is "".
// Source: containerd's package filters, and the adaptor of its snapshot storage.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/records.h"

namespace lazybuild::service {

inline constexpr std::size_t kFilterBytesMax = 64 * 1024;
inline constexpr std::size_t kFiltersMax = 1024;

/// Several filters, any of which may match. Values; may be shared by threads once made.
class Filter {
  public:
    /// No filters match everything. Errors: invalid_argument, with the place.
    static Result<Filter> parse(const std::vector<std::string>& filters);

    Filter(Filter&&) noexcept;
    Filter& operator=(Filter&&) noexcept;
    ~Filter();

    bool matches(const store::SnapshotRecord& snapshot) const;

  private:
    struct Selector;
    using All = std::vector<Selector>;
    Filter();
    static Result<All> parse_one(std::string_view text);

    std::vector<All> any_;
};

}  // namespace lazybuild::service
