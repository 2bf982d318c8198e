// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/place.h"

#include <fmt/format.h>

#include <utility>

#include "builder/image/image_place.h"

namespace lazybuild::graph {
namespace {

constexpr std::string_view kScratch = "scratch";

// The full name of an image; nothing when `name` cannot be one.
std::optional<std::string> full_name(std::string_view name) {
    auto place = image::ImagePlace::parse(name);
    return place ? std::optional(place->text()) : std::nullopt;
}

Result<Place> place_of(const std::string& name, const NamedContext& context) {
    if (context.kind == NamedContext::Kind::files) {
        return Place{.kind = Place::Kind::context, .stage = 0, .name = name, .context_name = name};
    }
    if (context.place == kScratch) {
        return Place{};
    }
    auto image = image::ImagePlace::parse(context.place);
    if (!image) {
        return fail(std::move(image).error().context(fmt::format("named context \"{}\"", name)));
    }
    return Place{
        .kind = Place::Kind::image, .stage = 0, .name = image->text(), .context_name = name};
}

const std::pair<const std::string, NamedContext>* find_context(const PlanOptions& options,
                                                               std::string_view name,
                                                               const std::string& suffix) {
    const std::optional<std::string> wanted = full_name(name);
    const std::pair<const std::string, NamedContext>* found = nullptr;
    for (const auto& entry : options.contexts) {
        std::string_view key = entry.first;
        if (key == "context" || !key.ends_with(suffix) ||
            (suffix.empty() && key.find("::") != std::string_view::npos)) {
            continue;
        }
        key.remove_suffix(suffix.size());
        if (key == name) {
            return &entry;
        }
        if (found == nullptr && wanted && full_name(key) == wanted) {
            found = &entry;
        }
    }
    return found;
}

}  // namespace

Result<std::optional<Place>> context_of_stage(const PlanOptions& options, std::string_view stage) {
    const auto context = options.contexts.find(std::string(stage));
    if (stage == "context" || stage == kScratch || context == options.contexts.end()) {
        return std::optional<Place>{};
    }
    TRY(Place place, place_of(context->first, context->second));
    return std::optional{std::move(place)};
}

Result<Place> find_place(const PlanOptions& options, std::string_view name,
                         const codec::Platform& platform) {
    if (name == kScratch) {
        return Place{};
    }
    const auto* context = find_context(options, name, "::" + platform.text());
    if (context == nullptr) {
        context = find_context(options, name, "");
    }
    if (context != nullptr) {
        return place_of(context->first, context->second);
    }
    TRY(const image::ImagePlace image, image::ImagePlace::parse(name));
    return Place{.kind = Place::Kind::image, .stage = 0, .name = image.text(), .context_name = {}};
}

}  // namespace lazybuild::graph
