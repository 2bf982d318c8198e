// SPDX-License-Identifier: Apache-2.0
// Layers and a registry of a test's own, and a place to mount in. Without gRPC, so that
// ThreadSanitizer can follow every thread.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "codec/oci_config.h"
#include "codec/sha256.h"
#include "snapshotter/io/event.h"
#include "snapshotter/service/image_layers.h"
#include "snapshotter/service/lazy_layers.h"
#include "snapshotter/store/store.h"

namespace lazybuild::service {

/// Once per program: false when this is not root, or mounts are forbidden.
inline bool private_mounts() {
    static const bool made = ::unshare(CLONE_NEWNS) == 0 &&
                             ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return made;
}

inline codec::Digest digest_of(char digit) {
    return codec::Digest::parse("sha256:" + std::string(64, digit)).value();
}

inline void write_text(const std::string& path, std::string_view text) {
    auto written = replace_file(path, as_bytes(text));
    ASSERT_TRUE(written.has_value()) << written.error().message;
}

inline std::string text_of(const std::string& path) {
    return read_file(path, 1 << 20).value_or("<cannot be read>");
}

/// Layers that are plain directories, bound to where they are mounted.
class FakeLayers final : public LazyLayers {
  public:
    FakeLayers(store::Store& store, io::Reactor& reactor, std::string directory)
        : store_(store), gate_(reactor), directory_(std::move(directory)) {
        gate_.set();
    }

    /// From now on resolves wait until open_gate(), on the reactor's thread.
    void close_gate() { gate_.reset(); }
    void open_gate() { gate_.set(); }

    /// Layers with this blob cannot be resolved, or cannot be mounted.
    void fail_resolve(const codec::Digest& blob) { with_lock(failing_resolves_, blob); }
    void fail_mount(store::LayerId id) { with_lock(failing_mounts_, id); }
    void heal() {
        const std::lock_guard held{mutex_};
        failing_resolves_.clear();
        failing_mounts_.clear();
    }
    /// How often a resolve of this blob began.
    int resolves(const codec::Digest& blob) {
        const std::lock_guard held{mutex_};
        return resolves_[blob];
    }
    /// How many resolves ended before the gate was opened.
    int given_up() const { return given_up_; }
    std::optional<codec::Digest> claimed_diff_id(const codec::Digest& blob) {
        const std::lock_guard held{mutex_};
        return diff_ids_[blob];
    }

    io::Task<Result<store::LayerId>> resolve(layer::LayerRequest request, io::Wait wait) override {
        begin(request);
        auto opened = co_await gate_.wait(wait);
        if (!opened) {
            ++given_up_;
            co_return fail(std::move(opened).error());
        }
        co_return find_or_insert(request);
    }

    Result<void> mount(store::LayerId id, std::span<const layer::LowerSnapshot> /*below*/,
                       const std::string& target) override {
        const std::lock_guard held{mutex_};
        if (failing_mounts_.contains(id)) {
            return fail(Error{std::errc::io_error, "the test wants it"});
        }
        TRY(const std::optional<store::LayerRecord> layer, store_.layer(id));
        // value(): nobody may ask for a layer that has been forgotten.
        const std::string source = directory_ + "/" + layer.value().blob.hex();
        CHECK_OK(make_directories(source));
        if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
            ::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) !=
                0) {
            return fail(errno_error("bind " + target));
        }
        return {};
    }

    Result<bool> is_mounted(store::LayerId id, std::span<const layer::LowerSnapshot> below,
                            const fuse::MountEntry& mount) override {
        static_cast<void>(id);
        static_cast<void>(below);
        static_cast<void>(mount);
        return false;
    }

    Result<void> forget(store::LayerId id) override {
        slow_forgets_.wait(true);
        return store_.delete_layer(id);
    }
    /// While true, forget() does not return.
    void forget_slowly(bool slowly) {
        slow_forgets_ = slowly;
        slow_forgets_.notify_all();
    }

  private:
    template <class T>
    void with_lock(std::set<T>& set, const T& value) {
        const std::lock_guard held{mutex_};
        set.insert(value);
    }
    void begin(const layer::LayerRequest& request) {
        const std::lock_guard held{mutex_};
        ++resolves_[request.blob];
        diff_ids_[request.blob] = request.diff_id;
    }
    Result<store::LayerId> find_or_insert(const layer::LayerRequest& request) {
        const std::lock_guard held{mutex_};
        if (failing_resolves_.contains(request.blob)) {
            return fail(Error{std::errc::connection_refused, "the test wants it"});
        }
        TRY(const auto known, store_.find_layer(request.blob, request.toc));
        if (known) {
            return known->id;
        }
        store::NewLayer layer;
        layer.blob = request.blob;
        layer.toc = request.toc;
        TRY(const std::string staged, store_.stage_layer());
        TRY(const store::LayerRecord record, store_.insert_layer(layer, staged));
        return record.id;
    }

    store::Store& store_;
    io::Event gate_;
    const std::string directory_;
    std::atomic<bool> slow_forgets_ = false;
    std::atomic<int> given_up_ = 0;
    std::mutex mutex_;
    std::set<codec::Digest> failing_resolves_;
    std::set<store::LayerId> failing_mounts_;
    std::map<codec::Digest, int> resolves_;
    std::map<codec::Digest, std::optional<codec::Digest>> diff_ids_;
};

/// A registry of one image, under any name.
class FakeDocuments final : public ImageDocuments {
  public:
    struct Layer {
        codec::Digest blob;
        codec::Digest diff_id;
        std::optional<codec::Digest> toc;
        std::string media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    };

    void set_image(const std::vector<Layer>& layers) {
        std::string diff_ids;
        std::string descriptors;
        for (const Layer& layer : layers) {
            const std::string comma = diff_ids.empty() ? "" : ",";
            diff_ids += comma + "\"" + layer.diff_id.text() + "\"";
            const std::string annotations =
                layer.toc ? R"(,"annotations":{"containerd.io/snapshot/stargz/toc.digest":")" +
                                layer.toc->text() + "\"}"
                          : "";
            descriptors += comma + R"({"mediaType":")" + layer.media_type + R"(","digest":")" +
                           layer.blob.text() + R"(","size":1000)" + annotations + "}";
        }
        const std::lock_guard held{mutex_};
        config_ = R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[)" +
                  diff_ids + "]}}";
        manifest_ =
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)"
            R"({"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
            codec::sha256(as_bytes(config_)).text() + R"(","size":)" +
            std::to_string(config_.size()) + R"(},"layers":[)" + descriptors + "]}";
    }
    void fail_all() { failing_ = true; }
    void heal() { failing_ = false; }
    codec::Digest manifest_digest() { return codec::sha256(as_bytes(manifest_)); }
    int manifests_served() const { return served_; }

    io::Task<Result<registry::Document>> manifest(registry::Repository repository,
                                                  std::string tag_or_digest,
                                                  io::Wait wait) override {
        static_cast<void>(repository);
        static_cast<void>(wait);
        co_return serve(tag_or_digest);
    }
    io::Task<Result<Bytes>> blob(registry::Repository repository, codec::Digest digest,
                                 std::uint64_t size_bytes, io::Wait wait) override {
        static_cast<void>(repository);
        static_cast<void>(digest);
        static_cast<void>(size_bytes);
        static_cast<void>(wait);
        co_return bytes_of(config_);
    }

  private:
    static Bytes bytes_of(const std::string& text) {
        const ByteView view = as_bytes(text);
        return {view.begin(), view.end()};
    }
    Result<registry::Document> serve(const std::string& tag_or_digest) {
        const std::lock_guard held{mutex_};
        ++served_;
        const codec::Digest digest = codec::sha256(as_bytes(manifest_));
        if (failing_) {
            return fail(Error{std::errc::connection_refused, "the test wants it"});
        }
        if (tag_or_digest.starts_with("sha256:") && tag_or_digest != digest.text()) {
            return fail(Error{std::errc::no_such_file_or_directory, "no such manifest"});
        }
        return registry::Document{.media_type = "", .digest = digest, .bytes = bytes_of(manifest_)};
    }

    std::mutex mutex_;
    std::string config_;
    std::string manifest_;
    std::atomic<bool> failing_ = false;
    std::atomic<int> served_ = 0;
};

/// An image of three layers with the blobs a, b and c; the middle one is not eStargz.
inline std::vector<FakeDocuments::Layer> three_layers() {
    return {{.blob = digest_of('a'), .diff_id = digest_of('1'), .toc = digest_of('e')},
            {.blob = digest_of('b'), .diff_id = digest_of('2'), .toc = {}},
            {.blob = digest_of('c'), .diff_id = digest_of('3'), .toc = digest_of('f')}};
}
inline std::vector<codec::Digest> three_chain_ids() {
    return codec::chain_ids({digest_of('1'), digest_of('2'), digest_of('3')});
}

/// What containerd says about layer `index` of it.
inline store::Labels labels_of_layer(const codec::Digest& manifest, std::size_t index) {
    const std::vector<FakeDocuments::Layer> layers = three_layers();
    std::string above;
    for (std::size_t next = index; next < layers.size(); ++next) {
        above += (above.empty() ? "" : ",") + layers[next].blob.text();
    }
    return {{"containerd.io/snapshot.ref", three_chain_ids()[index].text()},
            {"containerd.io/snapshot/cri.image-ref", "registry.test:5000/app:1"},
            {"containerd.io/snapshot/cri.manifest-digest", manifest.text()},
            {"containerd.io/snapshot/cri.layer-digest", layers[index].blob.text()},
            {"containerd.io/snapshot/cri.image-layers", above}};
}

}  // namespace lazybuild::service
