// SPDX-License-Identifier: Apache-2.0
// One step while it is looked up or run: its keys as far as they are known, the views and layers
// that it was given, and what it reads from where. One thread at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "builder/solve/key.h"
#include "builder/solve/shared.h"

namespace lazybuild::solve {

struct StepRequest {
    StepRequest(graph::StepId id_in, const graph::Step& step_in) : id(id_in), step(step_in) {}

    graph::StepId id;
    const graph::Step& step;
    TaskId task = 0;
    std::optional<KeyText> by_name;     ///< other stages by their names, contexts by content
    std::optional<KeyText> by_content;  ///< both by what is selected
    bool reads_contexts = false;
    bool reads_named = false;
    bool claimed = false;  ///< a content digest in by_content is only claimed
    bool ran = false;
    bool found_by_content = false;
    std::string why;         ///< it is not to be looked for: known already why it runs
    std::string unreadable;  ///< why there is no key by content although there should be one
    bool selection_is_whole = false;
    files::Selection selection;
    std::vector<std::string> names;     ///< Record::files
    std::optional<codec::Digest> base;  ///< Record::base
    std::map<graph::StepId, std::unique_ptr<layers::FileSource>> views;
    std::shared_ptr<Running> running;

    /// The one under which it is made: what proves most.
    const KeyText& key_text() const;
    codec::Digest key() const { return key_text().key(); }
    /// Those under which its result is proven, once it has one.
    std::vector<StepKey> proven_keys() const;
    void add_names();
    bool is_copy() const { return std::holds_alternative<graph::CopyStep>(step.what); }
};

/// Steps that are read, besides the base: sources of a copy, mounts of a RUN.
std::vector<graph::StepId> sources_of(const graph::Step& step);

/// --chown gives a name, which the accounts of the destination have: also with --link.
bool owner_is_named(const graph::CopyStep& copy);

/// What is to be selected for a key's sake, from those sources that `wanted` says: a copy's
/// sources all at once, each mount of a RUN by itself, as if it were copied.
std::vector<graph::CopyStep> selections_of(const graph::Step& step,
                                           const std::function<bool(graph::StepId)>& wanted);

/// A LayerMaker that fails with operation_canceled when nobody wants the layer any more.
std::unique_ptr<layers::LayerMaker> stoppable(std::unique_ptr<layers::LayerMaker> maker,
                                              io::CancelToken stop);

/// operation_canceled.
Error cancelled_error();

}  // namespace lazybuild::solve
