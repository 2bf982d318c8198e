// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/check_report.h"

namespace lazybuild::cache {

void CheckFindings::add(const std::string& cause, CheckFinding finding,
                        CheckFinding::Need needed_by) {
    const auto [place, is_new] = places_.try_emplace(cause, findings_.size());
    if (is_new) {
        findings_.push_back(std::move(finding));
    }
    if (known_.emplace(place->second, needed_by).second) {
        findings_[place->second].needed_by.push_back(std::move(needed_by));
    }
}

void CheckFindings::add_blob(const codec::Descriptor& blob, const std::string& why,
                             CheckFinding::Need needed_by) {
    add(blob.digest.text(), {.blob = blob, .why = why, .needed_by = {}}, std::move(needed_by));
}

void CheckFindings::add(const std::string& why, CheckFinding::Need needed_by) {
    add(why, {.blob = {}, .why = why, .needed_by = {}}, std::move(needed_by));
}

std::vector<CheckFinding> CheckFindings::take() {
    return std::move(findings_);
}

}  // namespace lazybuild::cache
