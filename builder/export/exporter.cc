// SPDX-License-Identifier: Apache-2.0
#include "builder/export/exporter.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "base/file.h"
#include "builder/export/archive_output.h"
#include "builder/export/documents.h"
#include "builder/export/file_output.h"
#include "builder/export/image_store.h"
#include "builder/export/layer_blobs.h"
#include "builder/export/output_file.h"
#include "builder/export/parallel.h"
#include "builder/export/progress_task.h"
#include "builder/export/registry_push.h"
#include "codec/tar.h"

namespace lazybuild::exporter {
namespace {

std::string_view title_of(Output::Type type) {
    switch (type) {
        case Output::Type::image:
        case Output::Type::registry: return "exporting to image";
        case Output::Type::oci: return "exporting to oci image format";
        case Output::Type::docker: return "exporting to docker image format";
        case Output::Type::local: return "exporting to client directory";
        case Output::Type::tar: return "exporting to client tarball";
        case Output::Type::cacheonly: break;
    }
    return "exporting cache";
}

// "linux_arm_v7"
std::string platform_directory(const codec::Platform& platform) {
    std::string text = platform.text();
    std::ranges::replace(text, '/', '_');
    return text;
}

class Export {
  public:
    Export(const Output& output, const std::vector<BuiltImage>& images,
           const ExportOptions& options, layers::LayerStore& store, image::Session& session,
           solve::Progress& progress);

    Result<void> files();
    /// `archive`: where it goes instead of to the output's destination.
    Result<Exported> image(ByteSink* archive = nullptr);
    /// The progress ends with `result`; errors say what was tried.
    template <class T>
    Result<T> close(Result<T> result);

  private:
    Result<void> check() const;
    Result<void> open_pushes();
    Result<FinishedImage> finish_image();
    Result<void> name_by_digest(FinishedImage& image) const;
    Result<void> deliver(const FinishedImage& image);
    Result<void> push_documents(const FinishedImage& image);
    Result<void> keep(const FinishedImage& image);
    Result<void> keep_document(const NamedDocument& document);
    Result<void> each_platform(
        const std::function<Result<void>(layers::FileSource&, const FileOptions&)>& one);
    Result<void> clear_destination() const;
    DocumentOptions document_options() const;

    const Output& output_;
    std::vector<std::string> names_;  ///< in full
    const std::vector<BuiltImage>& images_;
    const ExportOptions& options_;
    layers::LayerStore& store_;
    image::Session& session_;
    const std::optional<std::int64_t> epoch_s_;
    Annotations annotations_;
    std::vector<std::unique_ptr<RegistryPush>> pushes_;  ///< one for each repository
    std::string directory_;
    ProgressTask task_;
};

Export::Export(const Output& output, const std::vector<BuiltImage>& images,
               const ExportOptions& options, layers::LayerStore& store, image::Session& session,
               solve::Progress& progress)
    : output_(output),
      images_(images),
      options_(options),
      store_(store),
      session_(session),
      epoch_s_(output.source_date_epoch_s ? output.source_date_epoch_s
                                          : options.source_date_epoch_s),
      task_(progress, title_of(output.type)) {}

Result<void> Export::check() const {
    if (images_.empty()) {
        return fail(invalid("there is nothing to export"));
    }
    if (output_.push && names_.empty()) {
        return fail(invalid("tag is needed when pushing to registry: -t HOST/NAME:TAG"));
    }
    if (output_.type == Output::Type::docker && images_.size() > 1) {
        return fail(invalid("type=docker holds an image for one platform; type=oci holds several"));
    }
    if (output_.rewrite_timestamps && !epoch_s_) {
        return fail(invalid("rewrite-timestamp=true needs a SOURCE_DATE_EPOCH to rewrite to"));
    }
    const bool index = images_.size() > 1 || options_.index;
    if (annotations_.of_index() && !index) {
        return fail(
            invalid("annotations of an index, and there is none: the image is for one platform"));
    }
    return {};
}

DocumentOptions Export::document_options() const {
    return {.oci_media_types = output_.oci_media_types,
            .epoch_s = epoch_s_,
            .squashed = options_.squash,
            .annotations = annotations_};
}

// Layers are pushed as soon as they are written.
Result<FinishedImage> Export::finish_image() {
    LayerBlobs blobs{store_,
                     session_,
                     {.compression = output_.compression,
                      .level = output_.level(),
                      .force = output_.force_compression,
                      .latest_s = output_.rewrite_timestamps ? epoch_s_ : std::nullopt,
                      .squash = options_.squash,
                      .flights = options_.flights}};
    LayerBlobs::Ready ready;
    std::atomic<std::uint64_t> pushed_bytes = 0;
    if (!pushes_.empty()) {
        ready = [&](const ImageLayer& layer) -> Result<void> {
            for (const auto& push : pushes_) {
                CHECK_OK(push->push(layer.descriptor));
            }
            pushed_bytes += layer.descriptor.size_bytes;
            task_.step("pushing layers", pushed_bytes, 0);
            return {};
        };
    }
    FinishedImage finished;
    finished.names = names_;
    std::uint64_t exported_bytes = 0;
    for (const BuiltImage& image : images_) {
        TRY(const std::vector<ImageLayer> layers, blobs.of(image, ready));
        for (const ImageLayer& layer : layers) {
            exported_bytes += layer.descriptor.size_bytes;
        }
        task_.step("exporting layers", exported_bytes, exported_bytes);
        TRY(ImageDocuments documents, make_documents(image, layers, document_options()));
        task_.step(
            fmt::format("exporting manifest {}", documents.manifest.descriptor.digest.text()), 1,
            1);
        finished.platforms.push_back(std::move(documents));
    }
    const bool index = images_.size() > 1 || options_.index;
    if (index && output_.type != Output::Type::docker) {
        finished.index = make_index(finished.platforms, document_options());
    }
    return finished;
}

Result<void> Export::keep_document(const NamedDocument& document) {
    if (store_.blob_path(document.descriptor.digest)) {
        return {};
    }
    if (directory_.empty()) {
        TRY(directory_, store_.build_directory());
    }
    const std::string path = staging_path(directory_);
    TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
    CHECK_OK(write_all(file.get(), document.bytes));
    return store_.keep_blob(document.descriptor.digest, path);
}

Result<void> Export::keep(const FinishedImage& image) {
    for (const ImageDocuments& platform : image.platforms) {
        CHECK_OK(keep_document(platform.config));
        CHECK_OK(keep_document(platform.manifest));
    }
    if (image.index) {
        CHECK_OK(keep_document(*image.index));
    }
    TRY(ImageStore names, ImageStore::open(store_.root()));
    for (const std::string& name : image.names) {
        CHECK_OK(names.put(name, image.root().descriptor));
        task_.step("naming to " + name, 1, 1);
    }
    return {};
}

Result<void> Export::push_documents(const FinishedImage& image) {
    auto one = [&](std::size_t i) -> Result<void> {
        RegistryPush& push = *pushes_[i];
        for (const ImageDocuments& platform : image.platforms) {
            CHECK_OK(push.push_bytes(platform.config));
        }
        for (const ImageDocuments& platform : image.platforms) {
            if (image.index || output_.push_by_digest) {
                CHECK_OK(push.put(platform.manifest, ""));
            }
        }
        if (output_.push_by_digest) {
            return image.index ? push.put(*image.index, "") : Result<void>{};
        }
        for (const std::string& name : image.names) {
            TRY(const auto reference, registry::Reference::parse(name));
            if (reference.repository == push.repository()) {
                CHECK_OK(push.put(image.root(), reference.tag));
            }
        }
        return {};
    };
    task_.step("pushing manifest " + image.root().descriptor.digest.text(), 0, 1);
    CHECK_OK(run_parallel(pushes_.size(), parallel_threads(session_), one));
    task_.step("pushing manifest " + image.root().descriptor.digest.text(), 1, 1);
    return {};
}

Result<void> Export::deliver(const FinishedImage& image) {
    CHECK_OK(session_.check_interrupt());
    if (output_.type == Output::Type::image || output_.type == Output::Type::registry) {
        if (!pushes_.empty()) {
            CHECK_OK(push_documents(image));
        }
        return output_.store ? keep(image) : Result<void>{};
    }
    if (!output_.tar_file) {
        return write_layout(image, output_.destination, store_, session_);
    }
    TRY(OutputFile file, OutputFile::create(output_.destination));
    CHECK_OK(write_archive(image, output_.type == Output::Type::docker, store_, session_, file));
    CHECK_OK(session_.check_interrupt());
    return file.commit();
}

Result<void> Export::open_pushes() {
    std::set<registry::Repository> repositories;
    for (const std::string& name : names_) {
        TRY(const auto reference, registry::Reference::parse(name));
        if (repositories.insert(reference.repository).second) {
            registry::Client& client = output_.insecure
                                           ? insecure_client(session_, reference.repository)
                                           : session_.client();
            pushes_.push_back(
                std::make_unique<RegistryPush>(store_, session_, client, reference.repository));
        }
    }
    return {};
}

Result<void> Export::name_by_digest(FinishedImage& image) const {
    std::vector<std::string> canonical;
    for (const std::string& name : names_) {
        TRY(const auto reference, registry::Reference::parse(name));
        canonical.push_back(reference.repository.text() + "@" +
                            image.root().descriptor.digest.text());
    }
    if (output_.push_by_digest) {
        image.names.clear();
    }
    image.names.insert(image.names.end(), canonical.begin(), canonical.end());
    return {};
}

Result<Exported> Export::image(ByteSink* archive) {
    for (const std::string& name : output_.names) {
        TRY(const auto reference, registry::Reference::parse(name));
        names_.push_back(reference.text());
    }
    TRY(annotations_, Annotations::parse(output_.annotations));
    CHECK_OK(check());
    if (output_.push) {
        CHECK_OK(open_pushes());
    }
    TRY(FinishedImage image, finish_image());
    if (output_.name_canonical || output_.push_by_digest) {
        CHECK_OK(name_by_digest(image));
    }
    if (image.names.empty() && !output_.dangling_name_prefix.empty()) {
        image.names.push_back(output_.dangling_name_prefix + "@" +
                              image.root().descriptor.digest.text());
    }
    if (archive != nullptr) {
        CHECK_OK(write_archive(image, true, store_, session_, *archive));
    } else {
        CHECK_OK(deliver(image));
    }
    return Exported{.root = image.root().descriptor,
                    .config = image.platforms.front().config.descriptor,
                    .names = image.names};
}

template <class T>
Result<T> Export::close(Result<T> result) {
    if (!result) {
        task_.close(fail(result.error()));
        return fail(std::move(result).error().context(title_of(output_.type)));
    }
    task_.close({});
    return result;
}

Result<void> Export::each_platform(
    const std::function<Result<void>(layers::FileSource&, const FileOptions&)>& one) {
    const bool split = output_.platform_split.value_or(images_.size() > 1);
    for (const BuiltImage& image : images_) {
        TRY(const layers::Snapshot snapshot, image.open());
        const auto view = store_.view(snapshot);
        CHECK_OK(one(*view, {.epoch_s = epoch_s_,
                             .directory = split ? platform_directory(image.platform) : "",
                             .delete_others = output_.delete_others,
                             .may_go_on = [this] { return session_.check_interrupt(); }}));
    }
    return {};
}

// Where each platform has a directory, what else is beside them; below them, each has its own.
Result<void> Export::clear_destination() const {
    if (!output_.delete_others || !output_.platform_split.value_or(images_.size() > 1)) {
        return {};
    }
    return remove_others(output_.destination, [this](const std::string& path) -> Result<Stays> {
        const bool wanted = std::ranges::any_of(images_, [&path](const BuiltImage& image) {
            return platform_directory(image.platform) == path;
        });
        return wanted ? Stays::whole : Stays::no;
    });
}

Result<void> Export::files() {
    if (images_.size() > 1 && output_.platform_split == false) {
        return fail(
            invalid("platform-split=false: files of several platforms would overwrite "
                    "each other"));
    }
    if (output_.type == Output::Type::local) {
        CHECK_OK(clear_destination());
        return each_platform([&](layers::FileSource& files, const FileOptions& options) {
            return write_files(files, options, output_.destination);
        });
    }
    TRY(OutputFile file, OutputFile::create(output_.destination));
    CHECK_OK(each_platform([&](layers::FileSource& files, const FileOptions& options) {
        return write_files_as_tar(files, options, file);
    }));
    CHECK_OK(file.write(codec::tar_end()));
    CHECK_OK(session_.check_interrupt());
    return file.commit();
}

}  // namespace

Result<std::optional<Exported>> export_output(const Output& output,
                                              const std::vector<BuiltImage>& images,
                                              const ExportOptions& options,
                                              layers::LayerStore& store, image::Session& session,
                                              solve::Progress& progress) {
    if (output.type == Output::Type::cacheonly) {
        return std::nullopt;
    }
    if (output.type == Output::Type::docker && output.destination.empty()) {
        return fail(invalid("type=docker without dest= is for loading into docker"));
    }
    Export work{output, images, options, store, session, progress};
    if (output.type == Output::Type::local || output.type == Output::Type::tar) {
        CHECK_OK(work.close(work.files()));
        return std::nullopt;
    }
    TRY(Exported exported, work.close(work.image()));
    return std::optional{std::move(exported)};
}

Result<Exported> export_docker_archive(const Output& output, const std::vector<BuiltImage>& images,
                                       const ExportOptions& options, layers::LayerStore& store,
                                       image::Session& session, solve::Progress& progress,
                                       ByteSink& out) {
    ASSERT(output.type == Output::Type::docker);
    Export work{output, images, options, store, session, progress};
    return work.close(work.image(&out));
}

}  // namespace lazybuild::exporter
