// SPDX-License-Identifier: Apache-2.0
// The whole way of a read through the real kernel: EROFS mount, FUSE disk, fetch, verify. The
// blobs' origin is a file, so that a test can damage it, take it away and bring it back.
#include "snapshotter/layer/layer_manager.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>

#include "codec/gzip_member.h"
#include "fuse/mounts.h"
#include "layer_fixture.h"

namespace lazybuild::layer {
namespace {

using std::chrono::milliseconds;

/// A daemon without its RPCs.
class Daemon {
  public:
    Daemon(const std::string& root, FetchOptions options) {
        auto store = store::Store::open(root);
        EXPECT_TRUE(store.has_value()) << store.error().message;
        store_ = std::move(*store);
        reactor_ = std::move(*io::Reactor::create());
        client_ = std::make_unique<registry::Client>(*reactor_, pool_,
                                                     registry::ClientOptions{.attempts_max = 1});
        thread_ = std::thread{[this] { reactor_->run(); }};
        auto manager = LayerManager::open(*store_, *client_, *reactor_, pool_, options,
                                          fuse::ErofsBacking::file);
        EXPECT_TRUE(manager.has_value()) << manager.error().message;
        manager_ = std::move(*manager);
    }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon() {
        manager_->close();
        reactor_->stop();
        thread_.join();
        manager_.reset();
        client_.reset();
    }

    store::Store& store() { return *store_; }
    LayerManager& manager() { return *manager_; }

    Result<store::LayerId> resolve(LayerRequest request) {
        std::promise<Result<store::LayerId>> promise;
        auto future = promise.get_future();
        reactor_->spawn(keep_result(*manager_, std::move(request), promise));
        return future.get();
    }

    Result<Bytes> read(store::LayerId id, std::uint64_t offset_bytes, std::size_t size_bytes) {
        Bytes bytes(size_bytes);
        std::promise<Result<void>> promise;
        auto future = promise.get_future();
        reactor_->spawn(keep_read(*manager_, id, offset_bytes, bytes, promise));
        CHECK_OK(future.get());
        return bytes;
    }

  private:
    static io::Task<void> keep_read(LayerManager& manager, store::LayerId id,
                                    std::uint64_t offset_bytes, MutableByteView out,
                                    std::promise<Result<void>>& promise) {
        Result<void> done = co_await manager.read(id, offset_bytes, out, {});
        promise.set_value(std::move(done));
    }
    static io::Task<void> keep_result(LayerManager& manager, LayerRequest request,
                                      std::promise<Result<store::LayerId>>& promise) {
        const io::Wait wait{.deadline = io::deadline_in(std::chrono::seconds{30}), .cancel = {}};
        Result<store::LayerId> id = co_await manager.resolve(std::move(request), wait);
        promise.set_value(std::move(id));
    }

    std::unique_ptr<store::Store> store_;
    std::unique_ptr<io::Reactor> reactor_;
    io::Pool pool_{2};
    std::unique_ptr<registry::Client> client_;
    std::unique_ptr<LayerManager> manager_;
    std::thread thread_;
};

class LayerManagerTest : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/fuse, to mount";
        }
        write_origin(layer_.blob);
        ASSERT_TRUE(make_directories(target_).has_value());
        start();
    }
    void TearDown() override {
        unmount();
        daemon_.reset();
    }

    void start() {
        daemon_ = std::make_unique<Daemon>(root_.path() + "/store", options_);
        ASSERT_TRUE(
            daemon_->store()
                .add_origin(layer_.info.blob,
                            {.kind = store::Origin::Kind::file, .host = {}, .path = origin_})
                .has_value());
    }
    void restart() {
        unmount();
        daemon_.reset();
        start();
    }
    void unmount() {
        const auto mounts = fuse::mounts_under(target_);
        for (std::size_t i = 0; i < mounts->size(); ++i) {
            ASSERT_TRUE(fuse::unmount(target_, fuse::UnmountMode::detach).has_value());
        }
    }

    LayerRequest request() const {
        return {.origin = {.kind = store::Origin::Kind::registry,
                           .host = "localhost:1",
                           .path = "none"},
                .blob = layer_.info.blob,
                .blob_size_bytes = layer_.blob.size(),
                .toc = layer_.info.toc,
                .diff_id = layer_.info.diff_id};
    }
    void write_origin(ByteView bytes) { ASSERT_TRUE(replace_file(origin_, bytes).has_value()); }
    void resolve_and_mount() {
        const auto id = daemon_->resolve(request());
        ASSERT_TRUE(id.has_value()) << id.error().message;
        id_ = *id;
        const auto mounted = daemon_->manager().mount(id_, {}, target_);
        ASSERT_TRUE(mounted.has_value()) << mounted.error().message;
    }
    // Reads here go through our own lazy mount; that the daemon is in this process is safe because
    // its threads are not the one that reads.
    Result<std::string> read(const std::string& name) {
        return read_file(target_ + "/d/" + name, 16 << 20);
    }
    void expect_right(const std::string& name) {
        const auto text = read(name);
        ASSERT_TRUE(text.has_value()) << name << ": " << text.error().message;
        EXPECT_TRUE(*text == as_text(layer_.files.at(name))) << name;
    }
    bool wait_for_state(store::LayerState state) {
        for (int i = 0; i < 300; ++i) {
            if (daemon_->store().layer(id_)->value().state == state) {
                return true;
            }
            std::this_thread::sleep_for(milliseconds{50});
        }
        return false;
    }

    TemporaryRoot root_;
    TestLayer layer_ = usual_layer();
    const std::string origin_ = root_.path() + "/origin";
    const std::string target_ = root_.path() + "/target";
    FetchOptions options_{.read_timeout = milliseconds{2'000}, .background_fill = false};
    std::unique_ptr<Daemon> daemon_;
    store::LayerId id_{};
};

TEST_F(LayerManagerTest, every_file_reads_right_through_the_kernel) {
    resolve_and_mount();
    for (const auto& [name, content] : layer_.files) {
        expect_right(name);
    }
}

TEST_F(LayerManagerTest, many_readers_at_once_read_right) {
    resolve_and_mount();
    std::vector<std::thread> readers;
    for (int i = 0; i < 8; ++i) {
        readers.emplace_back([this] {
            for (const auto& [name, content] : layer_.files) {
                expect_right(name);
            }
        });
    }
    for (std::thread& reader : readers) {
        reader.join();
    }
}

TEST_F(LayerManagerTest, two_resolves_at_once_are_one_layer) {
    Result<store::LayerId> first = fail(invalid("not run"));
    std::thread other{[&] { first = daemon_->resolve(request()); }};
    const auto second = daemon_->resolve(request());
    other.join();
    ASSERT_TRUE(first.has_value() && second.has_value());
    EXPECT_EQ(*first, *second);
    EXPECT_EQ(daemon_->store().layers()->size(), 1U);
}

TEST_F(LayerManagerTest, a_read_without_an_origin_fails_in_time_and_works_when_it_is_back) {
    resolve_and_mount();
    ASSERT_EQ(::rename(origin_.c_str(), (origin_ + ".away").c_str()), 0);
    const auto lost = read("large");
    ASSERT_FALSE(lost.has_value());
    EXPECT_EQ(lost.error().code, std::errc::io_error);
    ASSERT_EQ(::rename((origin_ + ".away").c_str(), origin_.c_str()), 0);
    expect_right("large");
}

TEST_F(LayerManagerTest, damaged_bytes_are_an_error_and_never_data) {
    resolve_and_mount();
    const codec::Toc toc = layer_.toc();
    const codec::Node& node = toc.tree.nodes[*toc.tree.find("d/large")];
    Bytes damaged = layer_.blob;
    damaged[toc.tree.chunks[node.first_chunk].blob_offset_bytes + 50] ^= std::byte{1};
    write_origin(damaged);
    const auto wrong = read("large");
    ASSERT_FALSE(wrong.has_value());
    EXPECT_EQ(wrong.error().code, std::errc::io_error);
    expect_right("small105");
    write_origin(layer_.blob);
    expect_right("large");
}

TEST_F(LayerManagerTest, refuses_a_table_of_contents_that_the_manifest_does_not_name) {
    LayerRequest other = request();
    other.toc = layer_.info.blob;
    const auto id = daemon_->resolve(other);
    ASSERT_FALSE(id.has_value());
    EXPECT_EQ(id.error().code, std::errc::bad_message);
    EXPECT_TRUE(daemon_->store().layers()->empty());
}

TEST_F(LayerManagerTest, refuses_a_blob_without_an_index) {
    write_origin(content_of(layer_.blob.size(), 5));
    const auto id = daemon_->resolve(request());
    ASSERT_FALSE(id.has_value());
    EXPECT_EQ(id.error().code, std::errc::not_supported);
}

TEST_F(LayerManagerTest, what_has_come_survives_a_restart_without_the_origin) {
    resolve_and_mount();
    expect_right("large");
    ASSERT_EQ(::unlink(origin_.c_str()), 0);
    restart();
    const auto mounted = daemon_->manager().mount(id_, {}, target_);
    ASSERT_TRUE(mounted.has_value()) << mounted.error().message;
    expect_right("large");
}

TEST_F(LayerManagerTest, a_forgotten_layer_leaves_nothing) {
    resolve_and_mount();
    expect_right("small100");
    unmount();
    ASSERT_TRUE(daemon_->manager().forget(id_).has_value());
    EXPECT_TRUE(daemon_->store().layers()->empty());
    EXPECT_FALSE(std::filesystem::exists(daemon_->store().layer_directory(id_)));
}

TEST_F(LayerManagerTest, reads_a_disk_without_a_mount_and_fetches_no_more_than_that_needs) {
    options_.keep_index = true;
    restart();
    id_ = daemon_->resolve(request()).value();
    const auto tree = daemon_->manager().tree(id_);
    ASSERT_TRUE(tree.has_value()) << tree.error().message;
    for (const std::string name : {"small100", "large"}) {
        const codec::Node& node = (*tree)->nodes[*(*tree)->find("d/" + name)];
        EXPECT_EQ(node.content, codec::sha256(layer_.files.at(name)));
        const auto bytes = daemon_->read(id_, node.disk_offset_bytes, node.size_bytes);
        ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
        EXPECT_TRUE(*bytes == layer_.files.at(name));
        const std::uint64_t fetched = daemon_->manager().fetched_bytes(id_);
        EXPECT_GT(fetched, 0U);
        EXPECT_LE(fetched, layer_.blob.size());
        EXPECT_TRUE(daemon_->read(id_, node.disk_offset_bytes, node.size_bytes).has_value());
        EXPECT_EQ(daemon_->manager().fetched_bytes(id_), fetched) << "it is here";
    }
    EXPECT_EQ(daemon_->manager().failed_reads(id_), 0U);
}

TEST_F(LayerManagerTest, keeps_the_tree_over_a_restart_only_when_asked_to) {
    id_ = daemon_->resolve(request()).value();
    EXPECT_EQ(daemon_->manager().tree(id_).error().code, std::errc::no_such_file_or_directory);
    ASSERT_TRUE(daemon_->manager().forget(id_).has_value());
    EXPECT_EQ(daemon_->manager().tree(id_).error().code, std::errc::no_such_file_or_directory);
    options_.keep_index = true;
    restart();
    id_ = daemon_->resolve(request()).value();
    restart();
    const auto tree = daemon_->manager().tree(id_);
    ASSERT_TRUE(tree.has_value()) << tree.error().message;
    EXPECT_EQ((*tree)->nodes.size(), layer_.toc().tree.nodes.size());
}

TEST_F(LayerManagerTest, counts_the_reads_that_it_could_not_answer) {
    resolve_and_mount();
    ASSERT_EQ(::unlink(origin_.c_str()), 0);
    EXPECT_FALSE(read("large").has_value());
    const std::uint64_t failed = daemon_->manager().failed_reads(id_);
    EXPECT_GT(failed, 0U);
    EXPECT_FALSE(daemon_->read(id_, 0, 4096).has_value());
    EXPECT_EQ(daemon_->manager().failed_reads(id_), failed + 1);
    EXPECT_FALSE(daemon_->read(id_, std::uint64_t{1} << 40, 1).has_value());
    EXPECT_EQ(daemon_->manager().fetched_bytes(id_), 0U);
}

/// The same layer as a blob that has no index.
class WholeLayerTest : public LayerManagerTest {
  protected:
    void SetUp() override {
        LayerManagerTest::SetUp();
        if (IsSkipped()) {
            return;
        }
        codec::MemberCompressor{5}.append(layer_.tar, blob_);
        write_origin(blob_);
        add_origin();
    }
    void add_origin() {
        ASSERT_TRUE(
            daemon_->store()
                .add_origin(codec::sha256(blob_),
                            {.kind = store::Origin::Kind::file, .host = {}, .path = origin_})
                .has_value());
    }
    LayerRequest plain_request() const {
        LayerRequest plain = request();
        plain.blob = codec::sha256(blob_);
        plain.blob_size_bytes = blob_.size();
        plain.toc = {};
        plain.diff_id = codec::sha256(layer_.tar);
        return plain;
    }
    std::size_t directories() const {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator(root_.path() + "/store/layers")) {
            ++count;
        }
        return count;
    }

    Bytes blob_;
};

TEST_F(WholeLayerTest, is_complete_when_it_is_resolved_and_needs_nobody_any_more) {
    const auto id = daemon_->resolve(plain_request());
    ASSERT_TRUE(id.has_value()) << id.error().message;
    id_ = *id;
    const auto record = daemon_->store().layer(id_)->value();
    EXPECT_EQ(record.state, store::LayerState::complete);
    EXPECT_EQ(record.diff_id_verified, codec::sha256(layer_.tar));
    EXPECT_EQ(daemon_->resolve(plain_request()).value(), id_) << "known already";
    ASSERT_EQ(::unlink(origin_.c_str()), 0);
    for (int start = 0; start < 2; ++start) {
        ASSERT_TRUE(daemon_->manager().mount(id_, {}, target_).has_value());
        for (const auto& [name, content] : layer_.files) {
            expect_right(name);
        }
        const auto bytes = daemon_->read(id_, 0, 4096);
        EXPECT_TRUE(bytes.has_value());
        restart();
    }
    EXPECT_EQ((*daemon_->manager().tree(id_))->nodes.size(), layer_.toc().tree.nodes.size());
}

TEST_F(WholeLayerTest, that_is_not_what_its_image_says_leaves_nothing) {
    LayerRequest lie = plain_request();
    lie.diff_id = lie.blob;
    EXPECT_EQ(daemon_->resolve(lie).error().code, std::errc::bad_message);
    lie.diff_id.reset();
    EXPECT_EQ(daemon_->resolve(lie).error().code, std::errc::invalid_argument);
    Bytes damaged = blob_;
    damaged[damaged.size() / 2] ^= std::byte{1};
    write_origin(damaged);
    EXPECT_EQ(daemon_->resolve(plain_request()).error().code, std::errc::bad_message);
    EXPECT_TRUE(daemon_->store().layers()->empty());
    EXPECT_EQ(directories(), 0U);
    write_origin(blob_);
    EXPECT_TRUE(daemon_->resolve(plain_request()).has_value());
}

TEST_F(WholeLayerTest, hides_nothing_as_a_first_layer_and_what_it_says_over_others) {
    Bytes tar;
    const auto append = [&tar](codec::LayerEntry entry) {
        const Bytes header = codec::tar_header({.entry = std::move(entry)});
        tar.insert(tar.end(), header.begin(), header.end());
    };
    append({.path = "d/.wh.small100", .mtime_s = 1});
    append({.path = "d/added", .mode = 0600});
    tar.insert(tar.end(), codec::tar_end().begin(), codec::tar_end().end());
    const auto below = daemon_->resolve(plain_request());
    ASSERT_TRUE(below.has_value()) << below.error().message;
    layer_.tar = tar;
    blob_ = tar;
    write_origin(blob_);
    add_origin();
    const auto id = daemon_->resolve(plain_request());
    ASSERT_TRUE(id.has_value()) << id.error().message;

    ASSERT_TRUE(daemon_->manager().mount(*id, {}, target_).has_value());
    struct stat status{};
    EXPECT_NE(::lstat((target_ + "/d/small100").c_str(), &status), 0);
    unmount();
    const LowerSnapshot lower{.id = store::SnapshotId{1}, .layer = *below, .directory = {}};
    ASSERT_TRUE(daemon_->manager().mount(*id, {&lower, 1}, target_).has_value());
    ASSERT_EQ(::lstat((target_ + "/d/small100").c_str(), &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));
    ASSERT_EQ(::lstat((target_ + "/d/added").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

class FillTest : public LayerManagerTest {
  protected:
    FillTest() {
        options_.background_fill = true;
        options_.fill_quiet = milliseconds{100};
    }
};

TEST_F(FillTest, completes_the_layer_and_verifies_its_diff_id) {
    resolve_and_mount();
    ASSERT_TRUE(wait_for_state(store::LayerState::complete));
    EXPECT_EQ(daemon_->store().layer(id_)->value().diff_id_verified, layer_.info.diff_id);
    ASSERT_EQ(::unlink(origin_.c_str()), 0);
    restart();
    // Mounted on the disk file itself: the daemon may go, the files stay.
    ASSERT_TRUE(daemon_->manager().mount(id_, {}, target_).has_value());
    daemon_.reset();
    for (const auto& [name, content] : layer_.files) {
        expect_right(name);
    }
    start();
}

TEST_F(FillTest, quarantines_a_layer_with_another_diff_id_than_its_image_claims) {
    LayerRequest poisoned = request();
    poisoned.diff_id = layer_.info.blob;
    const auto id = daemon_->resolve(poisoned);
    ASSERT_TRUE(id.has_value()) << id.error().message;
    id_ = *id;
    ASSERT_TRUE(wait_for_state(store::LayerState::quarantined));
    const auto again = daemon_->resolve(request());
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(again.error().code, std::errc::permission_denied);
}

TEST_F(FillTest, refuses_an_image_that_claims_another_diff_id_for_a_known_layer) {
    options_.fill_quiet = milliseconds{500};
    restart();
    LayerRequest poisoned = request();
    poisoned.diff_id = layer_.info.blob;
    const auto id = daemon_->resolve(request());
    ASSERT_TRUE(id.has_value()) << id.error().message;
    id_ = *id;
    EXPECT_EQ(daemon_->resolve(poisoned).error().code, std::errc::permission_denied) << "a claim";
    ASSERT_TRUE(wait_for_state(store::LayerState::complete));
    EXPECT_EQ(daemon_->resolve(poisoned).error().code, std::errc::permission_denied) << "a fact";
    EXPECT_TRUE(daemon_->resolve(request()).has_value());
}

TEST_F(FillTest, resolves_only_what_has_been_verified_when_it_is_to) {
    options_.verify_first = true;
    options_.fill_quiet = std::chrono::hours{1};
    restart();
    const auto id = daemon_->resolve(request());
    ASSERT_TRUE(id.has_value()) << id.error().message;
    EXPECT_EQ(daemon_->store().layer(*id)->value().state, store::LayerState::complete);
}

TEST_F(FillTest, never_resolves_a_lie_when_it_is_to_verify_first) {
    options_.verify_first = true;
    restart();
    LayerRequest poisoned = request();
    poisoned.diff_id = layer_.info.blob;
    EXPECT_FALSE(daemon_->resolve(poisoned).has_value());
}

TEST_F(FillTest, goes_on_when_the_origin_comes_back) {
    options_.fill_quiet = milliseconds{500};
    restart();
    resolve_and_mount();
    ASSERT_EQ(::rename(origin_.c_str(), (origin_ + ".away").c_str()), 0);
    std::this_thread::sleep_for(milliseconds{800});
    EXPECT_EQ(daemon_->store().layer(id_)->value().state, store::LayerState::filling);
    ASSERT_EQ(::rename((origin_ + ".away").c_str(), origin_.c_str()), 0);
    EXPECT_TRUE(wait_for_state(store::LayerState::complete));
}

TEST_F(LayerManagerTest, prefetches_up_to_the_landmark) {
    std::map<std::string, Bytes> files = layer_.files;
    layer_ = make_layer(
        files, {.chunk_size_bytes = 256 << 10, .prioritized = {"d/small120", "d/small110"}});
    write_origin(layer_.blob);
    restart();
    resolve_and_mount();
    for (int i = 0; i < 100; ++i) {
        std::this_thread::sleep_for(milliseconds{20});
    }
    ASSERT_EQ(::unlink(origin_.c_str()), 0);
    expect_right("small120");
    expect_right("small110");
    EXPECT_FALSE(read("large").has_value());
}

}  // namespace
}  // namespace lazybuild::layer
