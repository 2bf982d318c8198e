// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "builder/cache/inline_cache.h"
#include "builder/cli/build_caches.h"
#include "builder/cli/image_load.h"
#include "builder/cli/source_epoch.h"
#include "builder/cli/travelling_mounts.h"
#include "builder/dockerfile/excerpt.h"
#include "builder/dockerfile/parser.h"
#include "builder/exec/oci_runner.h"
#include "builder/export/image_store.h"
#include "builder/export/progress_task.h"
#include "builder/export/store_source.h"
#include "builder/files/copy.h"
#include "builder/graph/definition.h"
#include "builder/graph/outline.h"
#include "builder/image/oci_layout.h"

namespace lazybuild::cli {
namespace {

/// A plan that needs more rounds of images names them from images: something is wrong.
constexpr int kPlanRoundsMax = 64;
/// Solved anew when layers vanish between solving and exporting.
constexpr int kExportAttemptsMax = 3;

// Runs `work` for each of `items`, all at once, and gives the first Error.
template <class Item, class Work>
Result<void> for_each_at_once(std::vector<Item>& items, Work work) {
    std::vector<Result<void>> results(items.size());
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < items.size(); ++i) {
            threads.emplace_back([&, i] { results[i] = work(items[i]); });
        }
        if (!items.empty()) {
            results[0] = work(items[0]);
        }
    }
    for (Result<void>& result : results) {
        CHECK_OK(std::move(result));
    }
    return {};
}

// What would fail after all the work is found before it.
Result<void> check_places(const std::vector<cache::CacheTo>& caches) {
    for (const cache::CacheTo& to : caches) {
        if (to.backend != cache::Backend::local || to.ignore_error) {
            continue;
        }
        auto checked = image::OciLayout::check_place(to.directory);
        if (!checked) {
            return fail(std::move(checked).error().context("--cache-to"));
        }
    }
    return {};
}

bool makes_image(const exporter::Output& output) {
    using Type = exporter::Output::Type;
    return output.type == Type::image || output.type == Type::registry ||
           output.type == Type::oci || output.type == Type::docker;
}

}  // namespace

Build::Build(const BuildArgs& args, BuildOptions options, image::Session& session, BuildLog& log)
    : args_(args), options_(std::move(options)), session_(session), log_(log) {}

Build::~Build() = default;

Result<BuildResult> Build::run() {
    Result<BuildResult> result = build();
    if (imports_ != nullptr) {
        // Nobody asks for these caches any more. A read of one that is still under way has to end
        // here: once this function has returned, no reactor runs that could end it.
        session_.give_up();
        imports_->wait();
    }
    return result;
}

Result<BuildResult> Build::build() {
    CHECK_OK(open());
    CHECK_OK(read_dockerfile());
    CHECK_OK(make_plans());
    BuildResult result{.checked = checked_};
    if (options_.call != BuildOptions::Call::build) {
        result.text = call();
        return result;
    }
    if (checked_->is_error && !checked_->findings.empty()) {
        return fail(invalid(dockerfile::violation(checked_->findings)));
    }
    CHECK_OK(open_solver());
    if (args_.dry_run) {
        CHECK_OK(solve());
        result.text = explanation();
        return result;
    }
    for (int attempts = 1;; ++attempts) {
        CHECK_OK(solve());
        const auto exported = export_all(result);
        if (exported) {
            return result;
        }
        if (exported.error().code != std::errc::resource_unavailable_try_again ||
            attempts == kExportAttemptsMax) {
            return fail(exported.error());
        }
        result.exported.clear();
    }
}

Result<void> Build::open() {
    CHECK_OK(check_places(options_.cache_to));
    TRY(store_, layers::LayerStore::open(args_.root, session_));
    TRY(records_, solve::Records::open(args_.root));
    const auto kept =
        [this](const std::string& name) -> Result<std::shared_ptr<image::ImageSource>> {
        TRY(auto images, exporter::ImageStore::open(args_.root));
        TRY(const auto image, images.find(name));
        return image ? exporter::store_source(*store_, session_, name, image->root) : nullptr;
    };
    if (!options_.cache_from.empty()) {
        imports_ = cache::Imports::start(options_.cache_from, *store_, session_, log_);
    }
    TRY(images_, BaseImages::open(args_.root, session_, options_.pull, kept, imports_.get()));
    CHECK_OK(start_agents());
    const auto agent = options_.runner.ssh_agents.find("default");
    const auto secret = [this](const std::string& id) -> Result<std::optional<std::string>> {
        const auto found = options_.runner.secrets.find(id);
        if (found == options_.runner.secrets.end()) {
            return std::nullopt;
        }
        TRY(std::string value, exec::read_secret(id, found->second));
        return value;
    };
    contexts_ = std::make_unique<BuildContexts>(
        BuildContexts::Options{
            .context = args_.context,
            .file = args_.file,
            .ignore_file = args_.ignore_file,
            .named = options_.contexts,
            .root = args_.root,
            .build_directory = [this] { return store_->build_directory(); },
            .secrets = secret,
            .ssh_agent = agent == options_.runner.ssh_agents.end() ? "" : agent->second},
        session_, log_);
    return {};
}

Result<void> Build::read_dockerfile() {
    const solve::TaskId task = log_.begin("[internal] load build definition");
    const auto read = [&]() -> Result<void> {
        TRY(DockerfileText text, contexts_->begin());
        TRY(const auto remark, check_syntax(text.text, options_.plan.build_arguments));
        if (remark) {
            log_.warn(*remark);
        }
        TRY(file_, dockerfile::parse(text.text, text.name));
        TRY(options_.plan.contexts, contexts_->named());
        return {};
    };
    auto done = read();
    log_.end(task, done ? solve::Outcome::done : solve::Outcome::failed,
             done ? "" : done.error().message);
    return done;
}

// Steps get the number, wherever it comes from.
Result<void> Build::resolve_epoch() {
    TRY(const graph::Plan plan, make_plan(options_.platforms.front()));
    if (!plan.source_date_epoch || parse_epoch(*plan.source_date_epoch)) {
        return {};
    }
    const std::string name = *plan.source_date_epoch;
    auto epoch_s = find_epoch(name);
    if (!epoch_s) {
        return fail(std::move(epoch_s).error().context("SOURCE_DATE_EPOCH=" + name));
    }
    options_.plan.build_arguments["SOURCE_DATE_EPOCH"] = std::to_string(*epoch_s);
    return {};
}

Result<std::int64_t> Build::find_epoch(const std::string& name) {
    const auto context = options_.plan.contexts.find(name);
    if (context != options_.plan.contexts.end() &&
        context->second.kind == graph::NamedContext::Kind::files) {
        return contexts_->time_of(name);
    }
    const bool is_stage = std::ranges::any_of(
        file_.stages, [&](const dockerfile::Stage& stage) { return stage.from.name == name; });
    if (context != options_.plan.contexts.end() || !is_stage) {
        return fail(invalid("not a whole number, and no context or stage that has a time"));
    }
    options_.plan.stages_to_keep.push_back(name);
    const auto plan = make_plan(options_.platforms.front());
    options_.plan.stages_to_keep.pop_back();
    return plan ? epoch_of_stage(*plan, name, *contexts_) : fail(plan.error());
}

Result<void> Build::make_plans() {
    CHECK_OK(resolve_epoch());
    for (const codec::Platform& platform : options_.platforms) {
        auto made = std::make_unique<Platform>();
        made->platform = platform;
        TRY(made->plan, make_plan(platform));
        platforms_.push_back(std::move(made));
    }
    const graph::Plan& plan = platforms_.front()->plan;
    TRY(const dockerfile::IgnorePatterns ignored, contexts_->ignored());
    TRY(checked_, check_dockerfile({.file = file_,
                                    .plan = plan,
                                    .ignored = ignored,
                                    .build_arguments = options_.plan.build_arguments}));
    if (!plan.unused_build_arguments.empty()) {
        log_.warn(fmt::format("build arguments that no ARG takes: {}",
                              fmt::join(plan.unused_build_arguments, ", ")));
    }
    if (plan.source_date_epoch && !options_.exporting.source_date_epoch_s) {
        options_.exporting.source_date_epoch_s = parse_epoch(*plan.source_date_epoch);
    }
    return {};
}

Result<graph::Plan> Build::make_plan(const codec::Platform& platform) {
    graph::PlanOptions options = options_.plan;
    options.target_platform = platform;
    for (int round = 0; round < kPlanRoundsMax; ++round) {
        TRY(graph::Planned planned, graph::plan(file_, options, known_));
        if (planned.missing.empty()) {
            return std::move(planned.plan);
        }
        CHECK_OK(resolve(planned.missing));
    }
    return fail(over_limit("the Dockerfile's images lead to images without end"));
}

Result<void> Build::resolve(const std::vector<graph::ImageWanted>& missing) {
    std::vector<std::pair<graph::ImageWanted, graph::KnownImage>> found;
    for (const graph::ImageWanted& wanted : missing) {
        found.emplace_back(wanted, graph::KnownImage{});
    }
    CHECK_OK(for_each_at_once(found, [&](auto& entry) -> Result<void> {
        const solve::TaskId task = log_.begin("[internal] load metadata for " + entry.first.place);
        auto known = images_->resolve(entry.first);
        log_.end(task, known ? solve::Outcome::done : solve::Outcome::failed,
                 known ? "" : known.error().message);
        if (!known) {
            Error error = std::move(known).error();
            const bool named = error.message.find(entry.first.place) != std::string::npos;
            return fail(named ? std::move(error) : std::move(error).context(entry.first.place));
        }
        entry.second = *std::move(known);
        return {};
    }));
    for (auto& [wanted, image] : found) {
        known_[wanted] = std::move(image);
    }
    return {};
}

std::string Build::call() const {
    if (options_.call == BuildOptions::Call::check) {
        return options_.json ? findings_json(file_, *checked_) : findings_text(file_, *checked_);
    }
    if (options_.call == BuildOptions::Call::targets) {
        const auto targets = graph::targets(file_);
        return options_.json ? graph::targets_json(targets) : graph::targets_text(targets);
    }
    const graph::Outline& outline = platforms_.front()->plan.outline;
    return options_.json ? graph::outline_json(outline) : graph::outline_text(outline);
}

// On the thread of run(), with which they end.
Result<void> Build::start_agents() {
    for (const auto& [id, keys] : options_.runner.ssh_keys) {
        TRY(const std::string directory, store_->build_directory());
        auto agent = exec::KeyAgent::start(directory, keys);
        if (!agent) {
            return fail(std::move(agent).error().context("--ssh " + id));
        }
        options_.runner.ssh_agents[id] = (*agent)->socket();
        agents_.push_back(*std::move(agent));
    }
    return {};
}

Result<void> Build::open_solver() {
    solve::Sources sources{
        .image =
            [this](const graph::ImageStep& step, const codec::Platform& platform) {
                return images_->layers(step, platform, *store_);
            },
        .image_layers =
            [this](const graph::ImageStep& step, const codec::Platform& platform) {
                return images_->layer_ids(step, platform, *store_);
            },
        .context = [this](const graph::ContextStep& step) { return contexts_->open(step); },
        .git = [this](const graph::GitStep& step) { return contexts_->open_git(step); },
        .http = [this](const graph::HttpStep& step) { return contexts_->open_http(step); },
    };
    solve::Operations operations{
        .definition = graph::definition,
        .select = files::select,
        .copy = files::copy,
        .make_directory = files::make_directory,
        .excerpt =
            [this](const dockerfile::Lines& lines) { return dockerfile::excerpt(file_, lines); },
        .give_up = [this] { session_.give_up(); },
    };
    layered_caches_ = open_layered_caches(*store_, session_, imports_.get(), log_);
    options_.runner.layered_caches = layered_caches_.get();
    runner_ = exec::make_oci_runner(*store_, options_.runner);
    solver_ = std::make_unique<solve::Solver>(
        *store_, *records_, std::move(sources), std::move(operations), *runner_, log_,
        solve::SolveOptions{.jobs = args_.jobs,
                            .imported = imports_.get(),
                            .explain = args_.explain || !args_.report.empty(),
                            .dry_run = args_.dry_run});
    return {};
}

Result<void> Build::solve() {
    CHECK_OK(solve_plans());
    const bool needs_all = std::ranges::any_of(
        options_.cache_to, [](const cache::CacheTo& to) { return to.mode == cache::Mode::max; });
    if (!needs_all || args_.dry_run) {
        return {};
    }
    std::vector<const graph::Plan*> plans;
    for (const auto& platform : platforms_) {
        plans.push_back(&platform->plan);
    }
    TRY(const bool differs, make_missing_layers(plans, *solver_, *store_));
    return differs ? solve_plans() : Result<void>{};
}

Result<void> Build::solve_plans() {
    return for_each_at_once(platforms_, [&](std::unique_ptr<Platform>& platform) -> Result<void> {
        const graph::Plan& plan = platform->plan;
        TRY(platform->solved,
            solver_->solve(plan, {plan.stages[plan.target].result}, session_.wait().cancel));
        return {};
    });
}

std::string Build::explanation() {
    std::vector<solve::StepExplanation> steps;
    for (const auto& platform : platforms_) {
        if (solver_ != nullptr) {
            std::ranges::move(solver_->explanations(platform->plan), std::back_inserter(steps));
        }
    }
    return solve::explanation_text(steps);
}

Result<std::vector<exporter::BuiltImage>> Build::built_images() {
    // Blobs with other times, or of several layers, are not those that records speak of.
    const bool same_layers =
        !options_.exporting.squash &&
        std::ranges::none_of(options_.outputs, &exporter::Output::rewrite_timestamps);
    bool inlined = options_.inline_cache;
    if (inlined && std::ranges::none_of(options_.outputs, makes_image)) {
        log_.warn("--cache-to type=inline: none of the outputs is an image; the cache is nowhere");
        inlined = false;
    } else if (inlined && !same_layers) {
        log_.warn("the inline cache has no layers: those of the image are other ones");
    }
    std::vector<exporter::BuiltImage> images;
    for (const auto& platform : platforms_) {
        const graph::StageResult& stage = platform->plan.stages[platform->plan.target];
        const graph::Plan* const plan = &platform->plan;
        const std::vector<codec::Digest>& layer_ids = platform->solved.front().layer_ids;
        exporter::BuiltImage& image = images.emplace_back();
        image.platform = stage.settings.platform;
        image.settings = stage.settings;
        image.layer_ids = layer_ids;
        image.open = [this, plan, step = stage.result] { return solver_->open(*plan, step); };
        if (inlined) {
            TRY(image.inline_cache,
                inline_cache(*plan, same_layers ? layer_ids : std::vector<codec::Digest>{}));
        }
    }
    return images;
}

// Accounts for each step, as caches beside the image do.
Result<std::string> Build::inline_cache(const graph::Plan& plan,
                                        const std::vector<codec::Digest>& layer_ids) {
    exporter::ProgressTask task{log_, "exporting cache inline"};
    TRY(const auto records, solver_->records(plan));
    cache::InlineCache made = cache::inline_cache(records, layer_ids);
    for (const std::string& warning : made.dropped.sentences()) {
        log_.warn("cache inline: " + warning);
    }
    Result<void> outcome;
    if (options_.strict_inline_cache && made.dropped.count() > 0) {
        const std::size_t all = made.records + made.metadata_only + made.dropped.count();
        outcome = fail(made.dropped.refusal(all).context("cache inline"));
    } else {
        task.step(made.summary(), 1, 1);
    }
    task.close(outcome);
    CHECK_OK(std::move(outcome));
    return std::move(made.text);
}

// Images and caches at once: they have most of their blobs in common, and each is written once.
Result<void> Build::export_all(BuildResult& result) {
    std::vector<SolvedPlan> solved;
    for (const auto& platform : platforms_) {
        solved.push_back({platform->plan, platform->solved.front().layer_ids});
    }
    if (options_.cache_to.empty()) {
        return export_images(result);
    }
    TRY(cache::BuiltCache built, built_cache(solved, *solver_, *images_, *store_));
    built.imports = imports_.get();
    if (std::ranges::any_of(options_.cache_to, &cache::CacheTo::mounts)) {
        TRY(built.mounts, built_mounts({.plans = solved,
                                        .solver = *solver_,
                                        .images = *images_,
                                        .caches = *layered_caches_,
                                        .imports = imports_.get(),
                                        .session = session_,
                                        .progress = log_}));
    }
    built.flights = options_.exporting.flights = &flights_;
    Result<std::vector<cache::ExportedCache>> written = std::vector<cache::ExportedCache>{};
    Result<void> exported;
    {
        const std::jthread beside(
            [&] { written = write_caches(options_.cache_to, built, *store_, session_, log_); });
        exported = export_images(result);
    }
    CHECK_OK(std::move(exported));
    TRY(result.caches, std::move(written));
    return {};
}

Result<void> Build::export_images(BuildResult& result) {
    TRY(const std::vector<exporter::BuiltImage> images, built_images());
    for (const exporter::Output& output : options_.outputs) {
        CHECK_OK(session_.check_interrupt());
        const bool load =
            output.type == exporter::Output::Type::docker && output.destination.empty();
        if (load) {
            TRY(auto loaded,
                load_output(output, images, options_.exporting, *store_, session_, log_));
            result.exported.push_back(std::move(loaded));
            continue;
        }
        TRY(auto exported,
            exporter::export_output(output, images, options_.exporting, *store_, session_, log_));
        if (exported) {
            result.exported.push_back(*std::move(exported));
        }
    }
    return {};
}

}  // namespace lazybuild::cli
