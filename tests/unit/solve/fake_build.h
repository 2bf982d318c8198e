// SPDX-License-Identifier: Apache-2.0
// A build without files: layers are names, a stage's files are its layers' names, and everything
// that is done is counted. A step's layer is named by what the test says that it makes.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "builder/solve/key.h"
#include "builder/solve/solver.h"
#include "codec/sha256.h"

namespace lazybuild::solve {

inline codec::Digest digest_of(std::string_view text) {
    return codec::sha256(as_bytes(text));
}

class FakeLayer final : public layers::Layer {
  public:
    explicit FakeLayer(std::string name) : name_(std::move(name)), id_(digest_of(name_)) {}
    const codec::Digest& id() const override { return id_; }
    Result<std::shared_ptr<const codec::FileTree>> tree() override {
        return fail(Error{std::errc::not_supported, "no tree"});
    }
    Result<void> read_disk(std::uint64_t /*offset*/, MutableByteView /*out*/) override {
        return {};
    }
    bool contents_are_claims() const override { return false; }
    Result<void> mount(const std::string& /*image*/, const std::string& /*target*/) override {
        return {};
    }
    std::uint64_t failed_reads() const override { return failed_; }
    std::uint64_t fetched_bytes() const override { return fetched_; }
    std::uint64_t blob_bytes() const override { return 1000; }

    const std::string& name() const { return name_; }
    void fail_read() { ++failed_; }
    void fetch(std::uint64_t bytes) { fetched_ += bytes; }

  private:
    std::string name_;
    codec::Digest id_;
    std::atomic<std::uint64_t> failed_ = 0, fetched_ = 0;
};

/// The names of a snapshot's layers, joined: what "files" it has.
inline std::string names_of(const layers::Snapshot& snapshot) {
    std::string names;
    for (const auto& layer : snapshot.layers) {
        names += dynamic_cast<FakeLayer&>(*layer).name() + ";";
    }
    return names;
}

/// A source whose one file, "", holds `content`.
class FakeSource final : public layers::FileSource {
  public:
    explicit FakeSource(std::string content) : content_(std::move(content)) {}
    Result<std::optional<layers::FileInfo>> look(std::string_view /*path*/) override {
        return layers::FileInfo{};
    }
    Result<std::vector<std::string>> list(std::string_view /*path*/) override {
        return std::vector<std::string>{content_};
    }
    Result<layers::ContentDigest> digest(std::string_view /*path*/) override {
        return layers::ContentDigest{.digest = digest_of(content_)};
    }
    Result<std::unique_ptr<ByteSource>> open(std::string_view /*path*/) override {
        return fail(Error{std::errc::not_supported, "no bytes"});
    }

  private:
    std::string content_;
};

class FakeStore final : public layers::LayerStore {
  public:
    std::shared_ptr<FakeLayer> make(const std::string& name) {
        const std::lock_guard lock(mutex_);
        auto& layer = layers_[digest_of(name)];
        if (layer == nullptr) {
            layer = std::make_shared<FakeLayer>(name);
        }
        return layer;
    }
    void drop(const std::string& name) {
        const std::lock_guard lock(mutex_);
        layers_.erase(digest_of(name));
    }

    std::vector<std::string> names() {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> names;
        for (const auto& [id, layer] : layers_) {
            names.push_back(layer->name());
        }
        return names;
    }

    const std::string& root() const override { return root_; }
    Result<std::string> build_directory() override { return root_; }
    Result<layers::LayerPointer> find(const codec::Digest& id) override {
        const std::lock_guard lock(mutex_);
        ++finds;
        const auto found = layers_.find(id);
        return found == layers_.end() ? nullptr : found->second;
    }
    Result<void> import_layers(std::shared_ptr<image::ImageSource> /*source*/,
                               const std::vector<layers::ImportedLayer>& /*layers*/) override {
        return {};
    }
    Result<std::unique_ptr<layers::LayerMaker>> make_layer() override {
        return std::make_unique<Maker>(*this);
    }
    Result<bool> check_layer(const codec::Digest& /*id*/, layers::CheckDepth /*depth*/) override {
        return false;
    }
    Result<layers::Snapshot> open_image(std::shared_ptr<image::ImageSource> /*source*/,
                                        const image::ImageDocument& /*manifest*/,
                                        const image::ConfigDocument& /*config*/) override {
        return layers::Snapshot{};
    }
    Result<std::vector<layers::LayerBlob>> blobs(const codec::Digest& /*layer*/) override {
        return std::vector<layers::LayerBlob>{};
    }
    Result<void> add_blob(const codec::Digest& /*layer*/,
                          const layers::LayerBlob& /*blob*/) override {
        return {};
    }
    Result<std::vector<store::Origin>> origins(const codec::Digest& /*blob*/) override {
        return std::vector<store::Origin>{};
    }
    Result<void> add_origin(const codec::Digest& /*blob*/,
                            const store::Origin& /*origin*/) override {
        return {};
    }
    std::optional<std::string> blob_path(const codec::Digest& /*blob*/) override {
        return std::nullopt;
    }
    Result<void> keep_blob(const codec::Digest& /*blob*/, const std::string& /*file*/) override {
        return {};
    }
    std::unique_ptr<layers::FileSource> view(const layers::Snapshot& snapshot) override {
        return std::make_unique<FakeSource>(names_of(snapshot));
    }

    Result<void> mount(const layers::Snapshot& /*snapshot*/,
                       const layers::SnapshotMount& /*where*/) override {
        return {};
    }
    Result<void> unmount(const std::string& /*target*/) override { return {}; }
    Result<layers::Usage> usage() override { return layers::Usage{}; }
    Result<void> remove_layer(const codec::Digest& /*id*/) override { return {}; }
    Result<void> remove_blob(const codec::Digest& /*blob*/) override { return {}; }
    Result<void> remove_lazy(unsigned /*slot*/) override { return {}; }
    Result<void> while_alone(const std::function<Result<void>()>& work) override { return work(); }

    int finds = 0;

  private:
    class Maker final : public layers::LayerMaker {
      public:
        explicit Maker(FakeStore& store) : store_(store) {}
        Result<void> add(codec::LayerEntry entry, ByteSource* /*content*/) override {
            name_ += entry.path;
            return {};
        }
        Result<layers::LayerPointer> finish() override { return store_.make(name_); }

      private:
        FakeStore& store_;
        std::string name_;
    };

    std::string root_ = "/nowhere";
    std::mutex mutex_;
    std::map<codec::Digest, std::shared_ptr<FakeLayer>> layers_;
};

class FakeRecords final : public Records {
  public:
    Result<std::optional<Record>> find(const codec::Digest& key) override {
        const std::lock_guard lock(mutex_);
        const auto found = records_.find(key);
        return found == records_.end() ? std::nullopt : std::optional(found->second);
    }
    Result<void> add(const Record& record) override {
        const std::lock_guard lock(mutex_);
        records_[record.key] = record;
        return {};
    }
    Result<std::vector<Record>> similar(const std::string& text, std::size_t /*max*/) override {
        const std::lock_guard lock(mutex_);
        std::vector<Record> similar;
        for (const auto& [key, record] : records_) {
            if (record.text == text) {
                similar.push_back(record);
            }
        }
        return similar;
    }
    Result<std::vector<Record>> children(const codec::Digest& base, std::size_t /*max*/) override {
        const std::lock_guard lock(mutex_);
        std::vector<Record> children;
        for (const auto& [key, record] : records_) {
            if (record.base == base) {
                children.push_back(record);
            }
        }
        return children;
    }
    Result<std::vector<Record>> all() override {
        const std::lock_guard lock(mutex_);
        std::vector<Record> all;
        for (const auto& [key, record] : records_) {
            all.push_back(record);
        }
        return all;
    }
    Result<void> remove(const codec::Digest& key) override {
        const std::lock_guard lock(mutex_);
        records_.erase(key);
        return {};
    }

  private:
    std::mutex mutex_;
    std::map<codec::Digest, Record> records_;
};

/// Records of other builds.
class FakeImports final : public ImportedRecords {
  public:
    std::optional<ImportedRecord> find(const codec::Digest& key) override {
        const std::lock_guard lock(mutex_);
        ++finds;
        const auto found = records_.find(key);
        return found == records_.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<ImportedRecord> similar(const std::string& text, std::size_t /*max*/) override {
        return alike([&](const Record& record) { return record.text == text; });
    }
    std::vector<ImportedRecord> children(const codec::Digest& base, std::size_t /*max*/) override {
        return alike([&](const Record& record) { return record.base == base; });
    }
    std::vector<std::string> without_texts() override { return silent; }
    /// All that `records` has, as a cache of that name.
    void take(Records& records, const std::string& cache, const std::string& no_layer = "") {
        const auto all = records.all();
        for (const Record& record : *all) {
            records_[record.key] = {.record = record, .cache = cache, .no_layer = no_layer};
        }
    }

    /// The cache has what the steps with this text made.
    void give_layer(const std::string& text) {
        for (auto& [key, imported] : records_) {
            imported.no_layer = imported.record.text == text ? "" : imported.no_layer;
        }
    }
    /// No record says any more which one is that of its step by content, and those are gone.
    void forget_contents() {
        std::set<codec::Digest> by_content;
        for (auto& [key, imported] : records_) {
            if (imported.record.content_key) {
                by_content.insert(*imported.record.content_key);
            }
            imported.record.content_key.reset();
        }
        std::erase_if(records_,
                      [&](const auto& known) { return by_content.contains(known.first); });
    }

    int finds = 0, explanations = 0;
    std::vector<std::string> silent;  ///< caches that explain nothing

  private:
    std::vector<ImportedRecord> alike(const std::function<bool(const Record&)>& wanted) {
        const std::lock_guard lock(mutex_);
        ++explanations;
        std::vector<ImportedRecord> alike;
        for (const auto& [key, imported] : records_) {
            if (wanted(imported.record)) {
                alike.push_back(imported);
            }
        }
        return alike;
    }

    std::mutex mutex_;
    std::map<codec::Digest, ImportedRecord> records_;
};

/// RUN's first argument is its name; what it makes is named "name(base)" unless `results` says
/// otherwise, so that another base gives another layer.
class FakeRunner final : public StepRunner {
  public:
    explicit FakeRunner(FakeStore& store) : store_(store) {}

    Result<RunResult> run(const RunRequest& request) override {
        const std::string& name = request.step.arguments.front();
        std::function<Result<RunResult>(const RunRequest&)> special;
        {
            const std::lock_guard lock(mutex_);
            ran.push_back(name);
            special = behaviours[name];
        }
        if (special) {
            return special(request);
        }
        return made(name + "(" + names_of(request.base) + ")");
    }
    RunResult made(const std::string& layer) { return RunResult{.layer = store_.make(layer)}; }
    /// And forgets.
    std::multiset<std::string> take_ran() {
        const std::lock_guard lock(mutex_);
        std::multiset<std::string> names(ran.begin(), ran.end());
        ran.clear();
        return names;
    }

    std::vector<std::string> ran;
    std::map<std::string, std::function<Result<RunResult>(const RunRequest&)>> behaviours;

  private:
    FakeStore& store_;
    std::mutex mutex_;
};

class FakeProgress final : public Progress {
  public:
    TaskId begin(std::string_view text) override {
        const std::lock_guard lock(mutex_);
        texts_.emplace_back(text);
        ++unended[texts_.back()];
        return static_cast<TaskId>(texts_.size());
    }
    void output(TaskId /*task*/, int /*stream*/, std::string_view /*bytes*/) override {}
    void advance(TaskId /*task*/, std::string_view /*what*/, std::uint64_t /*current*/,
                 std::uint64_t /*total*/) override {}
    void end(TaskId task, Outcome outcome, std::string_view /*error*/) override {
        const std::lock_guard lock(mutex_);
        outcomes[texts_[task - 1]] = outcome;
        --unended[texts_[task - 1]];
        ended.emplace_back(texts_[task - 1]);
    }
    void report(TaskId task, const StepReport& report) override {
        const std::lock_guard lock(mutex_);
        reports[texts_[task - 1]] = report;
    }
    void warn(std::string_view /*message*/) override {}

    std::map<std::string, Outcome> outcomes;
    std::vector<std::string> ended;      ///< in their order
    std::map<std::string, int> unended;  ///< tasks that were begun only
    std::map<std::string, StepReport> reports;

  private:
    std::mutex mutex_;
    std::vector<std::string> texts_;
};

/// One store and cache; solvers over them, each as a new process would have it.
class FakeBuild {
  public:
    FakeBuild() : runner(store) {}

    // A plan, step by step; each gives the number of the step.
    graph::StepId add(graph::Step step) {
        plan.steps.push_back(std::move(step));
        return static_cast<graph::StepId>(plan.steps.size() - 1);
    }
    graph::StepId image(const std::string& name) {
        return add({.what = graph::ImageStep{.name = name}, .text = "FROM " + name});
    }
    graph::StepId context() { return add({.what = graph::ContextStep{.name = "context"}}); }
    graph::StepId run(graph::StepId base, const std::string& name,
                      std::vector<graph::RunMount> mounts = {}) {
        graph::RunStep step{.base = base, .arguments = {name}};
        step.mounts = std::move(mounts);
        return add({.what = std::move(step), .text = "RUN " + name, .lines = {7, 7}});
    }
    graph::StepId directory(graph::StepId base, const std::string& path) {
        return add(
            {.what = graph::DirectoryStep{.base = base, .path = path}, .text = "WORKDIR " + path});
    }
    graph::StepId copy(graph::StepId base, graph::StepId from, const std::string& pattern,
                       bool link = false) {
        graph::CopyStep step{.base = base, .onto = base};
        if (link) {
            step.base = std::nullopt;
        }
        step.sources.push_back({.from = from, .patterns = {pattern}});
        return add({.what = std::move(step), .text = "COPY " + pattern});
    }

    Result<std::vector<Solved>> solve(const std::vector<graph::StepId>& results,
                                      SolveOptions options = {}, io::CancelToken cancel = {}) {
        solver = std::make_unique<Solver>(store, records, sources(), operations(), runner, progress,
                                          options);
        return solver->solve(plan, results, cancel);
    }
    /// A new plan: another build in the same store.
    void begin_again() {
        solver.reset();
        plan.steps.clear();
    }

    Sources sources() {
        return Sources{
            .image = [this](const graph::ImageStep& image,
                            const codec::Platform&) -> Result<layers::Snapshot> {
                ++images_opened;
                return layers::Snapshot{.layers = {store.make(image.name)}};
            },
            .image_layers = [](const graph::ImageStep& image,
                               const codec::Platform&) -> Result<std::vector<codec::Digest>> {
                return std::vector{digest_of(image.name)};
            },
            .context = [this](const graph::ContextStep&) -> Result<layers::FileSource*> {
                ++contexts_opened;
                context_files = std::make_unique<FakeSource>(context_content);
                return context_files.get();
            },
            .git = [this](const graph::GitStep&) { return remote(); },
            .http = [this](const graph::HttpStep&) { return remote(); },
        };
    }
    Result<RemoteSource> remote() {
        return RemoteSource{.identity = "identity", .files = &remote_files};
    }
    Operations operations() {
        return Operations{
            .definition = [](const graph::Step& step) { return step.text; },
            .select = [this](const graph::CopyStep& step,
                             const files::Sources& from) -> Result<files::Selection> {
                ++selected;
                // A pattern that is not in the source's content selects nothing of it.
                std::string content;
                for (const graph::CopySource& source : step.sources) {
                    const std::string all = from.at(source.from)->list("")->front();
                    const std::string& pattern = source.patterns.front();
                    const std::size_t at = all.find(pattern);
                    content += at == std::string::npos ? "" : all.substr(at, pattern.size());
                }
                return files::Selection{.digest = digest_of(content),
                                        .claimed = claims,
                                        .names = {"file " + digest_of(content).text()}};
            },
            .copy = [this](const graph::CopyStep&, const files::Selection& selection,
                           layers::FileSource* onto,
                           layers::LayerMaker& maker) -> Result<layers::LayerPointer> {
                ++copied;
                if (copy_error) {
                    return fail(*copy_error);
                }
                codec::LayerEntry entry;
                entry.path = "copy-" + selection.digest.hex().substr(0, 8);
                if (onto != nullptr) {
                    entry.path += "(" + onto->list("")->front() + ")";
                }
                CHECK_OK(maker.add(std::move(entry), nullptr));
                return maker.finish();
            },
            .make_directory = [](const graph::DirectoryStep&, layers::FileSource&,
                                 layers::LayerMaker&) -> Result<layers::LayerPointer> {
                return nullptr;
            },
            .excerpt =
                [](const dockerfile::Lines& lines) {
                    return fmt::format("Dockerfile:{}", lines.first);
                },
            .give_up = {},
        };
    }

    graph::Plan plan;
    FakeStore store;
    FakeRecords records;
    FakeRunner runner;
    FakeProgress progress;
    std::string context_content = "main.c";
    std::unique_ptr<FakeSource> context_files;
    FakeSource remote_files{"a x"};
    std::atomic<int> images_opened = 0, contexts_opened = 0, selected = 0, copied = 0;
    bool claims = false;
    std::optional<Error> copy_error;
    std::unique_ptr<Solver> solver;
};

}  // namespace lazybuild::solve
