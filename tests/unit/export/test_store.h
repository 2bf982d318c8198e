// SPDX-License-Identifier: Apache-2.0
// A LayerStore in memory, images of hand-made layers in it, and what an export tells: what the
// tests of this room have in common.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "builder/export/exporter.h"
#include "builder/layers/merged_view.h"
#include "tests/support/image_fixture.h"
#include "tests/unit/layers/test_layers.h"

namespace lazybuild::exporter::test {

using layers::test::FakeLayer;
using layers::test::LayerBuilder;

class FakeStore final : public layers::LayerStore {
  public:
    explicit FakeStore(std::string root) : root_(std::move(root)) {
        std::filesystem::create_directories(root_ + "/blobs/sha256");
        std::filesystem::create_directories(root_ + "/build");
    }

    const std::string& root() const override { return root_; }
    Result<std::string> build_directory() override { return root_ + "/build"; }
    Result<layers::LayerPointer> find(const codec::Digest& id) override {
        const auto layer = known.find(id);
        return layer == known.end() ? nullptr : layer->second;
    }
    Result<void> import_layers(std::shared_ptr<image::ImageSource> source,
                               const std::vector<layers::ImportedLayer>& layers) override {
        const std::lock_guard lock(mutex_);
        for (const layers::ImportedLayer& layer : layers) {
            blobs_[layer.id].push_back(layer.blob);
            origins_[layer.blob.descriptor.digest].push_back(source->origin());
        }
        return {};
    }
    Result<std::unique_ptr<layers::LayerMaker>> make_layer() override { return not_here(); }
    Result<bool> check_layer(const codec::Digest& id, layers::CheckDepth /*depth*/) override {
        return damaged.contains(id) ? Result<bool>{fail(corrupt("damaged"))} : known.contains(id);
    }
    Result<layers::Snapshot> open_image(std::shared_ptr<image::ImageSource> /*source*/,
                                        const image::ImageDocument& /*manifest*/,
                                        const image::ConfigDocument& /*config*/) override {
        return not_here();
    }
    Result<std::vector<layers::LayerBlob>> blobs(const codec::Digest& layer) override {
        const std::lock_guard lock(mutex_);
        return blobs_[layer];
    }
    Result<void> add_blob(const codec::Digest& layer, const layers::LayerBlob& blob) override {
        const std::lock_guard lock(mutex_);
        blobs_[layer].push_back(blob);
        return {};
    }
    Result<std::vector<store::Origin>> origins(const codec::Digest& blob) override {
        const std::lock_guard lock(mutex_);
        return origins_[blob];
    }
    Result<void> add_origin(const codec::Digest& blob, const store::Origin& origin) override {
        const std::lock_guard lock(mutex_);
        origins_[blob].push_back(origin);
        return {};
    }
    std::optional<std::string> blob_path(const codec::Digest& blob) override {
        std::string path = root_ + "/blobs/sha256/" + blob.hex();
        return std::filesystem::exists(path) ? std::optional{path} : std::nullopt;
    }
    Result<void> keep_blob(const codec::Digest& blob, const std::string& file) override {
        ++kept;
        std::filesystem::rename(file, root_ + "/blobs/sha256/" + blob.hex());
        return {};
    }
    std::unique_ptr<layers::FileSource> view(const layers::Snapshot& snapshot) override {
        return std::make_unique<layers::MergedView>(snapshot,
                                                    std::make_shared<layers::ChainTrees>());
    }
    Result<void> mount(const layers::Snapshot& /*snapshot*/,
                       const layers::SnapshotMount& /*where*/) override {
        return not_here();
    }
    Result<void> unmount(const std::string& /*target*/) override { return not_here(); }
    Result<layers::Usage> usage() override { return layers::Usage{}; }
    Result<void> remove_layer(const codec::Digest& /*id*/) override { return {}; }
    Result<void> remove_blob(const codec::Digest& /*blob*/) override { return {}; }
    Result<void> remove_lazy(unsigned /*slot*/) override { return {}; }
    Result<void> while_alone(const std::function<Result<void>()>& work) override { return work(); }

    std::atomic<int> kept = 0;
    std::map<codec::Digest, layers::LayerPointer> known;  ///< that find() finds
    std::set<codec::Digest> damaged;                      ///< so check_layer() says

  private:
    static std::unexpected<Error> not_here() {
        return fail(Error{.code = std::errc::not_supported, .message = "not in this store"});
    }

    const std::string root_;
    std::mutex mutex_;
    std::map<codec::Digest, std::vector<layers::LayerBlob>> blobs_;
    std::map<codec::Digest, std::vector<store::Origin>> origins_;
};

class RecordingProgress final : public solve::Progress {
  public:
    solve::TaskId begin(std::string_view text) override {
        const std::lock_guard lock(mutex_);
        log += fmt::format("begin {}\n", text);
        return ++tasks_;
    }
    void output(solve::TaskId /*task*/, int /*stream*/, std::string_view /*bytes*/) override {}
    void advance(solve::TaskId /*task*/, std::string_view what, std::uint64_t current,
                 std::uint64_t total) override {
        const std::lock_guard lock(mutex_);
        log += fmt::format("{} {}/{}\n", what, current, total);
    }
    void end(solve::TaskId /*task*/, solve::Outcome outcome, std::string_view error) override {
        const std::lock_guard lock(mutex_);
        log += fmt::format("end {} {}\n", static_cast<int>(outcome), error);
    }
    void report(solve::TaskId /*task*/, const solve::StepReport& /*report*/) override {}
    void warn(std::string_view message) override {
        const std::lock_guard lock(mutex_);
        log += fmt::format("warn {}\n", message);
    }

    std::string log;

  private:
    std::mutex mutex_;
    solve::TaskId tasks_ = 0;
};

/// An image of `layers`, with one history entry for each, and a base of the first `base_layers`.
inline BuiltImage make_image(const std::vector<layers::LayerPointer>& layers,
                             const std::string& platform = "linux/amd64") {
    BuiltImage image;
    image.platform = *codec::Platform::parse(platform);
    image.settings.platform = image.platform;
    image.settings.command = std::vector<std::string>{"/bin/cat"};
    image.settings.environment = {"PATH=/bin"};
    for (const layers::LayerPointer& layer : layers) {
        image.layer_ids.push_back(layer->id());
        image.settings.history.push_back({.created_by = "COPY something"});
    }
    image.open = [layers] { return layers::Snapshot{layers}; };
    return image;
}

/// A store, a session, and exports from one to wherever.
class ExportFixture : public testing::Test {
  protected:
    ExportFixture() : store_(directory_ / "root") { open_session(0); }

    void open_session(std::size_t jobs) {
        session_.reset();
        auto opened = image::Session::open({}, console_, jobs);
        EXPECT_TRUE(opened) << opened.error().message;
        session_ = *std::move(opened);
    }
    static Output output(const std::string& text) {
        auto parsed = Output::parse(text);
        EXPECT_TRUE(parsed) << parsed.error().message;
        return parsed.value_or(Output{});
    }
    Result<std::optional<Exported>> export_to(const Output& output,
                                              const std::vector<BuiltImage>& images,
                                              const ExportOptions& options = {}) {
        return export_with(store_, output, images, options);
    }
    Result<std::optional<Exported>> export_with(layers::LayerStore& store, const Output& output,
                                                const std::vector<BuiltImage>& images,
                                                const ExportOptions& options = {}) {
        return session_->run_blocking(
            [&] { return export_output(output, images, options, store, *session_, progress_); });
    }
    Exported exported(const std::string& to, const std::vector<BuiltImage>& images,
                      const ExportOptions& options = {}) {
        auto done = export_to(output(to), images, options);
        EXPECT_TRUE(done) << done.error().message;
        return done && *done ? **done : Exported{};
    }
    std::string error_of(const std::string& to, const std::vector<BuiltImage>& images,
                         const ExportOptions& options = {}) {
        const auto done = export_to(output(to), images, options);
        EXPECT_FALSE(done);
        return done ? "" : done.error().message;
    }

    lazybuild::test::TempDir directory_;
    cli::RecordingConsole console_;
    RecordingProgress progress_;
    FakeStore store_;
    std::unique_ptr<image::Session> session_;
};

}  // namespace lazybuild::exporter::test
