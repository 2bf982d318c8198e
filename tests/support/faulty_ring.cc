// SPDX-License-Identifier: Apache-2.0
#include "tests/support/faulty_ring.h"

#include <algorithm>
#include <cerrno>

namespace lazybuild::io {
namespace {

bool is_transfer(IoRequest::Kind kind) {
    return kind == IoRequest::Kind::receive || kind == IoRequest::Kind::send ||
           kind == IoRequest::Kind::read || kind == IoRequest::Kind::write;
}

IoRequest shortened(IoRequest request, std::size_t bytes_max) {
    request.into = request.into.first(std::min(request.into.size(), bytes_max));
    request.from = request.from.first(std::min(request.from.size(), bytes_max));
    return request;
}

}  // namespace

void FaultyRing::add(Fault fault) {
    faults_.push_back(fault);
}

void FaultyRing::break_at_random(std::uint32_t seed) {
    random_.emplace(seed);
}

void FaultyRing::release_held() {
    while (!held_.empty()) {
        const Held latest = held_.back();
        held_.pop_back();
        below_->submit(latest.request, *latest.completion);
    }
}

std::size_t FaultyRing::requests(IoRequest::Kind kind) const {
    const auto found = requests_.find(kind);
    return found == requests_.end() ? 0 : found->second;
}

std::optional<FaultyRing::Fault> FaultyRing::next_fault(IoRequest::Kind kind) {
    const auto planned = std::ranges::find(faults_, kind, &Fault::kind);
    if (planned != faults_.end()) {
        const Fault fault = *planned;
        faults_.erase(planned);
        return fault;
    }
    if (!random_.has_value() || !is_transfer(kind)) {
        return std::nullopt;
    }
    switch ((*random_)() % 6) {
        case 0: return Fault{.kind = kind, .error_number = EINTR};
        case 1: return Fault{.kind = kind, .error_number = EAGAIN};
        case 2:
            return Fault{
                .kind = kind, .effect = Effect::shorten, .bytes_max = 1 + (*random_)() % 5000};
        default: return std::nullopt;
    }
}

void FaultyRing::submit(const IoRequest& request, IoCompletion& completion) {
    ++requests_[request.kind];
    const std::optional<Fault> fault = next_fault(request.kind);
    if (!fault.has_value()) {
        below_->submit(request, completion);
        return;
    }
    switch (fault->effect) {
        case Effect::fail:
            due_.push_back({.completion = &completion, .result = -fault->error_number});
            return;
        case Effect::shorten:
            below_->submit(shortened(request, fault->bytes_max), completion);
            return;
        case Effect::hold: held_.push_back({.request = request, .completion = &completion}); return;
    }
}

void FaultyRing::cancel(IoCompletion& completion) {
    const auto held = std::ranges::find(held_, &completion, &Held::completion);
    if (held != held_.end()) {
        held_.erase(held);
        due_.push_back({.completion = &completion, .result = -ECANCELED});
        return;
    }
    const auto due = std::ranges::find(due_, &completion, &Due::completion);
    if (due == due_.end()) {
        below_->cancel(completion);
    }
}

void FaultyRing::wait(std::optional<Deadline> deadline) {
    below_->wait(due_.empty() ? deadline : std::nullopt);
    std::vector<Due> due;
    due.swap(due_);
    for (const Due& one : due) {
        one.completion->complete(one.result);
    }
}

}  // namespace lazybuild::io
