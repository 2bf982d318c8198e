// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/why.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "builder/dockerfile/check_rules.h"
#include "builder/image/work.h"
#include "builder/solve/file_changes.h"

namespace lazybuild::solve {
namespace {

constexpr std::size_t kFieldsShownMax = 10;
constexpr std::size_t kValueShownMax = 120;
/// A secret that is shorter may stand in any text by chance.
constexpr std::size_t kRedactedMin = 4;

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.push_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

// The text of a key (key.h): what the step says, by field, and its inputs by their first words.
struct KeyParts {
    std::map<std::string_view, std::string_view> fields, inputs;
    std::vector<std::string_view> selections;  // "files": a RUN has one for each mount
};

// Nobody vouches for the text of an imported record: the length that it gives may be wrong.
KeyParts parts_of(std::string_view text) {
    const std::string_view header = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), header.size() + 1));
    std::size_t size = 0;
    const std::string_view number = header.substr(header.rfind(' ') + 1);
    std::from_chars(number.data(), number.data() + number.size(), size);
    const std::string_view definition = text.substr(0, size);
    text.remove_prefix(definition.size());
    KeyParts parts;
    for (const std::string_view line : lines_of(definition)) {
        const std::size_t end = std::min(line.find('='), line.size());
        parts.fields[line.substr(0, end)] = line.substr(std::min(end + 1, line.size()));
    }
    for (const std::string_view line : lines_of(text)) {
        // "source 0" is two words.
        const std::size_t end =
            std::min(line.find(' ', line.starts_with("source ") ? 7 : 0), line.size());
        const std::string_view value = line.substr(std::min(end + 1, line.size()));
        if (line.starts_with("files ")) {
            parts.selections.push_back(value);
        } else {
            parts.inputs[line.substr(0, end)] = value;
        }
    }
    return parts;
}

using Names = std::map<std::string_view, std::string_view>;

std::size_t distance(const Names& one, const Names& other) {
    std::size_t count = 0;
    for (const auto& [name, value] : one) {
        const auto found = other.find(name);
        count += found == other.end() || found->second != value ? 1 : 0;
    }
    for (const auto& [name, value] : other) {
        count += one.contains(name) ? 0 : 1;
    }
    return count;
}

// What a step says tells more of whether it is the same one than what it was done to.
std::size_t distance(const KeyParts& one, const KeyParts& other) {
    return 4 * distance(one.fields, other.fields) + distance(one.inputs, other.inputs) +
           (one.selections == other.selections ? 0 : 1);
}

const ImportedRecord* nearest(const KeyParts& wanted,
                              const std::vector<ImportedRecord>& candidates) {
    const ImportedRecord* best = nullptr;
    std::size_t best_distance = 0;
    for (const ImportedRecord& candidate : candidates) {
        const std::size_t here = distance(wanted, parts_of(candidate.record.definition));
        if (best == nullptr || here < best_distance) {
            best = &candidate;
            best_distance = here;
        }
    }
    return best;
}

bool is_secret(std::string_view field) {
    return field.starts_with("env ") &&
           dockerfile::check_secret_name("ENV", field.substr(4), {}).has_value();
}

// Wherever else the value of such a variable has got into: a path, a label.
std::string without_secrets(std::string text, const KeyParts& now, const KeyParts& before) {
    for (const KeyParts* parts : {&now, &before}) {
        for (const auto& [name, value] : parts->fields) {
            if (value.size() < kRedactedMin || !is_secret(name)) {
                continue;
            }
            for (std::size_t at = text.find(value); at != std::string::npos;
                 at = text.find(value, at + 3)) {
                text.replace(at, value.size(), "***");
            }
        }
    }
    return text;
}

std::string quoted(std::string_view value) {
    if (value.size() <= kValueShownMax) {
        return fmt::format("“{}”", value);
    }
    std::size_t end = kValueShownMax;
    while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80) {
        --end;  // not within a character
    }
    return fmt::format("“{}…”", value.substr(0, end));
}

class Comparison {
  public:
    Comparison(const Missed& missed, const KeyParts& now, const ImportedRecord& before)
        : missed_(missed),
          now_(now),
          record_(before.record),
          before_(parts_of(before.record.definition)) {}

    Why finish() {
        fields();
        const std::size_t own = sentences_.size();
        selections();
        const bool changed = !sentences_.empty();
        // What it says stands first, then what it stands on, then what it copies.
        std::vector<std::string> below = inputs();
        sentences_.insert(sentences_.begin() + static_cast<std::ptrdiff_t>(own), below.begin(),
                          below.end());
        if (sentences_.empty()) {
            return {.text = "its record is gone"};
        }
        return {
            .text = without_secrets(fmt::format("{}", fmt::join(sentences_, "; ")), now_, before_),
            .from_below = changed ? "" : first_input_};
    }

  private:
    void fields();
    void field(std::string_view name, const std::string_view* now, const std::string_view* before);
    std::vector<std::string> inputs();
    std::string input(std::string_view name, std::string_view now, std::string_view before) const;
    void selections();

    const Missed& missed_;
    const KeyParts& now_;
    const Record& record_;
    const KeyParts before_;
    std::vector<std::string> sentences_;
    std::string first_input_;  ///< that has changed
};

void Comparison::fields() {
    std::set<std::string_view> names;
    for (const KeyParts* parts : {&now_, &before_}) {
        for (const auto& [name, value] : parts->fields) {
            names.insert(name);
        }
    }
    for (const std::string_view name : names) {
        const auto now = now_.fields.find(name);
        const auto before = before_.fields.find(name);
        field(name, now == now_.fields.end() ? nullptr : &now->second,
              before == before_.fields.end() ? nullptr : &before->second);
    }
    if (sentences_.size() > kFieldsShownMax) {
        const std::size_t more = sentences_.size() - kFieldsShownMax;
        sentences_.resize(kFieldsShownMax);
        sentences_.push_back(fmt::format("and {} more of what it says", more));
    }
}

void Comparison::field(std::string_view name, const std::string_view* now,
                       const std::string_view* before) {
    if (now != nullptr && before != nullptr && *now == *before) {
        return;
    }
    const bool variable = name.starts_with("env ");
    const std::string_view label = variable ? name.substr(4) : name;
    if (name == "schema") {
        sentences_.emplace_back("another version of this program made its record");
    } else if (name.ends_with(" content")) {
        sentences_.emplace_back("its here-document changed");
    } else if (is_secret(name)) {
        sentences_.push_back(fmt::format("{} changed", label));
    } else if (before == nullptr) {
        sentences_.push_back(
            fmt::format("{} is {} now, and was not given before", label, quoted(*now)));
    } else if (now == nullptr) {
        sentences_.push_back(
            fmt::format("{} was {} before, and is not given now", label, quoted(*before)));
    } else {
        sentences_.push_back(
            fmt::format("{} changed: {} -> {}", label, quoted(*before), quoted(*now)));
    }
}

// "base image alpine sha256:…" → "image alpine sha256:…", for "base".
std::string_view input_name(const std::vector<std::string>& names, std::string_view first_words) {
    for (const std::string_view name : names) {
        if (name.starts_with(first_words) && name.substr(first_words.size()).starts_with(' ')) {
            return name.substr(first_words.size() + 1);
        }
    }
    return {};
}

std::vector<std::string> Comparison::inputs() {
    std::vector<std::string> sentences;
    for (const auto& [name, value] : now_.inputs) {
        const auto before = before_.inputs.find(name);
        if (before != before_.inputs.end() && before->second != value) {
            sentences.push_back(input(name, value, before->second));
            first_input_ = first_input_.empty() ? name : first_input_;
        }
    }
    return sentences;
}

std::string Comparison::input(std::string_view name, std::string_view now,
                              std::string_view before) const {
    const std::string_view now_name = input_name(missed_.input_names, name);
    const std::string_view old_name = input_name(record_.input_names, name);
    const bool base = name == "base";
    if (now_name.starts_with("image ")) {
        // The same image, unless it says something else.
        const std::string_view image = now_name.substr(6, now_name.rfind(' ') - 6);
        const std::string_view digest = now_name.substr(now_name.rfind(' ') + 1);
        const std::string_view old_digest = old_name.substr(old_name.rfind(' ') + 1);
        if (old_name == fmt::format("image {} {}", image, old_digest)) {
            return fmt::format("the image {} changed: {} -> {}", image, old_digest, digest);
        }
        if (old_name.starts_with("image ")) {
            return fmt::format("its image changed: {} -> {}", old_name.substr(6),
                               now_name.substr(6));
        }
        return fmt::format("it {} the image {} now", base ? "stands on" : "reads", image);
    }
    if (now_name.starts_with("git ") || now_name.starts_with("http ")) {
        return fmt::format("{} changed: {} -> {}", now_name.substr(now_name.find(' ') + 1), before,
                           now);
    }
    const auto blamed = missed_.blame.find(std::string(name));
    return fmt::format("{} made something else{}",
                       base ? "a step before it" : "a step that it reads from",
                       blamed == missed_.blame.end() ? "" : ": " + blamed->second);
}

void Comparison::selections() {
    // One was looked up by the names of what it reads, the other by content: their files tell.
    const bool other_kind = now_.selections.empty() != before_.selections.empty();
    if (!other_kind && now_.selections == before_.selections) {
        return;
    }
    const bool from_context = std::ranges::any_of(missed_.input_names, [](const std::string& name) {
        return name.find(" context ") != std::string::npos;
    });
    std::vector<std::string> files;
    if (!missed_.files.empty() || !record_.files.empty()) {
        files = file_changes(missed_.files, record_.files, from_context);
    }
    if (files.empty() && !other_kind) {
        files.emplace_back(missed_.files.size() < kRecordFilesMax
                               ? "the files that it reads changed"
                               : "some of its many files changed");
    }
    sentences_.insert(sentences_.end(), std::make_move_iterator(files.begin()),
                      std::make_move_iterator(files.end()));
}

// Of what was done in the same place, what this build does too has not become this step.
std::vector<ImportedRecord> replaced(const Missed& missed,
                                     const std::vector<ImportedRecord>& same_place) {
    std::vector<ImportedRecord> replaced;
    std::ranges::copy_if(same_place, std::back_inserter(replaced), [&](const auto& candidate) {
        return std::ranges::find(missed.other_texts, candidate.record.text) ==
               missed.other_texts.end();
    });
    return replaced;
}

// Whether it was known there under another key, nobody can tell.
std::string nothing_like_it(const Missed& missed) {
    if (missed.silent_caches.empty()) {
        return "no step like this is known";
    }
    return fmt::format(
        "the inline cache {} holds no texts of its steps: export one with "
        "--cache-to type=registry,ref=…,mode=max to be told what changed",
        fmt::join(missed.silent_caches, ", "));
}

}  // namespace

Why why_not_cached(const Missed& missed, const std::vector<ImportedRecord>& same_text,
                   const std::vector<ImportedRecord>& same_place) {
    const KeyParts wanted = parts_of(missed.definition);
    const std::vector<ImportedRecord> others = replaced(missed, same_place);
    Why why{.text = nothing_like_it(missed)};
    const ImportedRecord* record = nearest(wanted, same_text);
    if (record != nullptr) {
        why = Comparison(missed, wanted, *record).finish();
    } else if (record = nearest(wanted, others); record != nullptr) {
        why.text = without_secrets(
            fmt::format("the instruction changed: {} -> {}", record->record.text, missed.text),
            wanted, parts_of(record->record.definition));
    }
    if (record != nullptr && !record->cache.empty()) {
        why.text += fmt::format(" (compared with the cache {})", record->cache);
    }
    why.text = image::printable(why.text);
    return why;
}

}  // namespace lazybuild::solve
