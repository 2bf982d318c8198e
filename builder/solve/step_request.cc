// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/step_request.h"

#include <algorithm>

namespace lazybuild::solve {
namespace {

class StoppableMaker final : public layers::LayerMaker {
  public:
    StoppableMaker(std::unique_ptr<layers::LayerMaker> maker, io::CancelToken stop)
        : maker_(std::move(maker)), stop_(std::move(stop)) {}

    Result<void> add(codec::LayerEntry entry, ByteSource* content) override {
        if (stop_.cancelled()) {
            return fail(cancelled_error());
        }
        return maker_->add(std::move(entry), content);
    }
    Result<layers::LayerPointer> finish() override {
        if (stop_.cancelled()) {
            return fail(cancelled_error());
        }
        return maker_->finish();
    }

  private:
    std::unique_ptr<layers::LayerMaker> maker_;
    io::CancelToken stop_;
};

// A mount's source is a name; in a copy it would be a pattern.
std::string as_pattern(const std::string& path) {
    std::string pattern;
    for (const char byte : path) {
        if (byte == '*' || byte == '?' || byte == '[' || byte == ']' || byte == '\\') {
            pattern += '\\';
        }
        pattern += byte;
    }
    return pattern;
}

}  // namespace

Error cancelled_error() {
    return Error{.code = std::errc::operation_canceled, .message = "interrupted"};
}

// A copy hashes all that it copies, so that what it has made is known by verified content. What a
// RUN has read of its mounts nobody knows: with claims among it, only the names are left.
const KeyText& StepRequest::key_text() const {
    return by_content && (!claimed || is_copy()) ? *by_content : *by_name;
}

// What a claim has found was proven when it was recorded; that the names lead to it is not.
std::vector<StepKey> StepRequest::proven_keys() const {
    const auto named = [](const KeyText& text) { return StepKey{text.key(), text.text()}; };
    if (found_by_content && claimed) {
        return {named(*by_content)};
    }
    std::vector<StepKey> keys = {named(*by_name)};
    if (const KeyText& most = key_text(); most.text() != by_name->text()) {
        keys.push_back(named(most));
    }
    return keys;
}

void StepRequest::add_names() {
    for (const std::string& name : selection.names) {
        if (names.size() == kRecordFilesMax) {
            return;
        }
        // One name, one line: Record::files.
        std::string& line = names.emplace_back(name);
        std::ranges::replace(line, '\n', '?');
    }
}

std::vector<graph::StepId> sources_of(const graph::Step& step) {
    std::vector<graph::StepId> sources;
    if (const auto* copy = std::get_if<graph::CopyStep>(&step.what)) {
        for (const graph::CopySource& source : copy->sources) {
            sources.push_back(source.from);
        }
    } else if (const auto* run = std::get_if<graph::RunStep>(&step.what)) {
        for (const graph::RunMount& mount : run->mounts) {
            if (mount.from) {
                sources.push_back(*mount.from);
            }
        }
    }
    return sources;
}

bool owner_is_named(const graph::CopyStep& copy) {
    return copy.owner.find_first_not_of("0123456789:") != std::string::npos;
}

std::vector<graph::CopyStep> selections_of(const graph::Step& step,
                                           const std::function<bool(graph::StepId)>& wanted) {
    std::vector<graph::CopyStep> selections;
    if (const auto* copy = std::get_if<graph::CopyStep>(&step.what)) {
        graph::CopyStep part = *copy;
        std::erase_if(part.sources,
                      [&](const graph::CopySource& source) { return !wanted(source.from); });
        if (!part.sources.empty()) {
            selections.push_back(std::move(part));
        }
    } else if (const auto* run = std::get_if<graph::RunStep>(&step.what)) {
        for (const graph::RunMount& mount : run->mounts) {
            if (mount.from && wanted(*mount.from)) {
                graph::CopyStep part{.base = std::nullopt, .onto = run->base};
                part.sources.push_back(
                    {.from = *mount.from, .patterns = {as_pattern(mount.source)}});
                part.destination = "/";
                selections.push_back(std::move(part));
            }
        }
    }
    return selections;
}

std::unique_ptr<layers::LayerMaker> stoppable(std::unique_ptr<layers::LayerMaker> maker,
                                              io::CancelToken stop) {
    return std::make_unique<StoppableMaker>(std::move(maker), std::move(stop));
}

}  // namespace lazybuild::solve
