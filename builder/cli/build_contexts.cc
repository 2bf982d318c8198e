// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_contexts.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "builder/cli/store_places.h"
#include "builder/dockerfile/parser.h"
#include "builder/graph/git_reference.h"
#include "builder/image/image_place.h"

namespace lazybuild::cli {
namespace {

constexpr std::size_t kPeekBytes = 512;
/// In the order in which they are looked for.
constexpr std::array<const char*, 3> kFileNames = {"Dockerfile", "Containerfile", "dockerfile"};

bool is_url(const std::string& text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

std::string base_name(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

// A context in which there is nothing.
class EmptySource final : public layers::FileSource {
  public:
    Result<std::optional<layers::FileInfo>> look(std::string_view path) override {
        if (!path.empty()) {
            return std::nullopt;
        }
        return layers::FileInfo{.type = codec::FileType::directory, .mode = 0755};
    }
    Result<std::vector<std::string>> list(std::string_view path) override {
        if (!path.empty()) {
            return fail(missing(path));
        }
        return std::vector<std::string>{};
    }
    Result<layers::ContentDigest> digest(std::string_view path) override {
        return fail(missing(path));
    }
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override {
        return fail(missing(path));
    }
    std::string explain_absence(std::string_view /*path*/) override {
        return "the Dockerfile came without a context";
    }

  private:
    static Error missing(std::string_view path) {
        return Error{.code = std::errc::no_such_file_or_directory,
                     .message = fmt::format("/{}: not found", path)};
    }
};

// A source of which the beginning has been looked at.
class PeekedSource final : public ByteSource {
  public:
    explicit PeekedSource(ByteSource& rest) : rest_(rest), head_(kPeekBytes) {}

    Result<ByteView> peek() {
        TRY(const std::size_t size_bytes, read_full(rest_, head_));
        head_.resize(size_bytes);
        return ByteView{head_};
    }
    Result<std::size_t> read(MutableByteView out) override {
        if (taken_ == head_.size()) {
            return rest_.read(out);
        }
        const std::size_t size_bytes = std::min(out.size(), head_.size() - taken_);
        std::memcpy(out.data(), head_.data() + taken_, size_bytes);
        taken_ += size_bytes;
        return size_bytes;
    }

  private:
    ByteSource& rest_;
    Bytes head_;
    std::size_t taken_ = 0;
};

bool is_archive(ByteView head) {
    using std::string_view_literals::operator""sv;
    constexpr std::size_t kTarMagicOffset = 257;
    const std::string_view text = as_text(head);
    for (const std::string_view magic :
         {"\x1f\x8b"sv, "BZh"sv, "\xfd\x37zXZ\x00"sv, "\x28\xb5\x2f\xfd"sv}) {
        if (text.starts_with(magic)) {
            return true;
        }
    }
    return text.size() > kTarMagicOffset && text.substr(kTarMagicOffset).starts_with("ustar");
}

Result<std::string> read_text(ByteSource& source, const std::string& name) {
    std::string text;
    Bytes part(64 << 10);
    while (true) {
        TRY(const std::size_t size_bytes, source.read(part));
        if (size_bytes == 0) {
            return text;
        }
        text += as_text(ByteView{part}.first(size_bytes));
        if (text.size() > dockerfile::kDockerfileBytesMax) {
            return fail(over_limit(
                fmt::format("{}: more than {} bytes", name, dockerfile::kDockerfileBytesMax)));
        }
    }
}

// The one file that http gave.
Result<std::unique_ptr<ByteSource>> open_only_file(layers::FileSource& files) {
    TRY(const std::vector<std::string> names, files.list(""));
    if (names.size() != 1) {
        return fail(corrupt("not one file"));
    }
    return files.open(names.front());
}

// Of all that an archive has. Its root is nobody's.
Result<std::int64_t> newest_time(layers::FileSource& files) {
    std::int64_t newest_s = 0;
    std::vector<std::string> directories{""};
    while (!directories.empty()) {
        const std::string directory = std::move(directories.back());
        directories.pop_back();
        TRY(const std::vector<std::string> names, files.list(directory));
        for (const std::string& name : names) {
            std::string path = directory.empty() ? name : directory + "/" + name;
            TRY(const auto info, files.look(path));
            newest_s = info ? std::max(newest_s, info->mtime_s) : newest_s;
            if (info && info->type == codec::FileType::directory) {
                directories.push_back(std::move(path));
            }
        }
    }
    return newest_s;
}

graph::HttpStep http_step(const std::string& url) {
    std::string path = url.substr(0, url.find_first_of("?#"));
    std::string name = base_name(path);
    return graph::HttpStep{
        .url = url, .file_name = name.empty() ? "__unnamed__" : std::move(name), .checksum = {}};
}

bool is_image_place(const std::string& place) {
    for (const std::string_view prefix : {"docker-image://", "oci-layout://", "docker://",
                                          "oci:", "oci-archive:", "docker-archive:"}) {
        if (place.starts_with(prefix)) {
            return true;
        }
    }
    return false;
}

// As image::ImagePlace has it.
std::string image_place(const std::string& place) {
    constexpr std::string_view kImage = "docker-image://";
    constexpr std::string_view kLayout = "oci-layout://";
    if (place.starts_with(kImage)) {
        return "docker://" + place.substr(kImage.size());
    }
    return place.starts_with(kLayout) ? "oci:" + place.substr(kLayout.size()) : place;
}

/// A pipe in a context would be waited on for ever; one of the shell's (`-f <(…)`) has a writer.
Result<void> check_readable_at_once(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode) ||
        path.starts_with("/dev/fd/")) {
        return {};  // what else is wrong with it, reading says
    }
    return fail(invalid(fmt::format("failed to read dockerfile: {}: not a regular file", path)));
}

}  // namespace

struct BuildContexts::Opened {
    std::mutex mutex;
    std::unique_ptr<layers::FileSource> files;
    std::string identity;
    std::optional<std::int64_t> time_s;  ///< that its server has said
    bool is_archive = false;
};

BuildContexts::BuildContexts(Options options, image::Session& session, solve::Progress& progress)
    : options_(std::move(options)), session_(session), progress_(progress) {}

BuildContexts::~BuildContexts() = default;

Result<DockerfileText> BuildContexts::begin() {
    const std::string& context = options_.context;
    if (context == "-" && options_.file == "-") {
        return fail(invalid("context and Dockerfile cannot both come from stdin"));
    }
    if (context == "-") {
        return begin_with_stdin();
    }
    TRY(const auto git, graph::parse_git_reference(context));
    if (git) {
        TRY(auto remote, fetch_git(git->step));
        TRY(auto text, begin_with_source(std::move(remote.files)));
        opened_["context"]->time_s = remote.time_s;
        return text;
    }
    return is_url(context) ? begin_with_url() : begin_with_directory();
}

Result<DockerfileText> BuildContexts::begin_with_stdin() {
    FdSource stdin_source(STDIN_FILENO);
    PeekedSource peeked(stdin_source);
    TRY(const ByteView head, peeked.peek());
    if (is_archive(head)) {
        TRY(auto files, unpack(peeked));
        TRY(auto text, begin_with_source(std::move(files)));
        opened_["context"]->is_archive = true;
        return text;
    }
    if (!options_.file.empty()) {
        return fail(
            invalid("what comes through stdin is no archive, so it is the Dockerfile; "
                    "leave --file away"));
    }
    TRY(std::string text, read_text(peeked, "stdin"));
    opened_["context"] = std::make_unique<Opened>();
    opened_["context"]->files = std::make_unique<EmptySource>();
    return DockerfileText{.name = "Dockerfile", .text = std::move(text)};
}

Result<DockerfileText> BuildContexts::begin_with_source(std::unique_ptr<layers::FileSource> files) {
    layers::FileSource& source = *files;
    opened_["context"] = std::make_unique<Opened>();
    opened_["context"]->files = std::move(files);
    if (options_.file == "-" || is_url(options_.file)) {
        return read_separate_file();
    }
    std::vector<std::string> names = {options_.file};
    if (options_.file.empty()) {
        names.assign(kFileNames.begin(), kFileNames.end());
    }
    for (const std::string& name : names) {
        TRY(const std::string path, layers::resolve(source, name));
        TRY(const auto info, source.look(path));
        if (info && info->type == codec::FileType::regular) {
            TRY(const auto bytes, source.open(path));
            TRY(std::string text, read_text(*bytes, name));
            return DockerfileText{.name = base_name(name), .text = std::move(text)};
        }
    }
    return fail(
        Error{.code = std::errc::no_such_file_or_directory,
              .message = fmt::format("{}: there is no {} in it", options_.context, names.front())});
}

Result<DockerfileText> BuildContexts::begin_with_url() {
    TRY(auto remote, files::fetch_http(http_step(options_.context), http_directory(options_.root),
                                       session_, options_.secrets));
    TRY(const auto file, open_only_file(*remote.files));
    PeekedSource peeked(*file);
    TRY(const ByteView head, peeked.peek());
    if (is_archive(head)) {
        TRY(auto files, unpack(peeked));
        TRY(auto text, begin_with_source(std::move(files)));
        opened_["context"]->is_archive = true;
        opened_["context"]->time_s = remote.time_s;
        return text;
    }
    TRY(std::string text, read_text(peeked, options_.context));
    opened_["context"] = std::make_unique<Opened>();
    opened_["context"]->files = std::make_unique<EmptySource>();
    opened_["context"]->time_s = remote.time_s;
    return DockerfileText{.name = "Dockerfile", .text = std::move(text)};
}

Result<DockerfileText> BuildContexts::begin_with_directory() {
    const std::string directory = options_.context.empty() ? "." : options_.context;
    struct stat status{};
    if (::stat(directory.c_str(), &status) != 0) {
        return fail(errno_error("context " + directory));
    }
    if (!S_ISDIR(status.st_mode)) {
        return fail(Error{.code = std::errc::not_a_directory,
                          .message = fmt::format("context {}: not a directory", directory)});
    }
    main_directory_ = directory;
    if (options_.file == "-" || is_url(options_.file)) {
        return read_separate_file();
    }
    std::string path = options_.file;
    for (std::size_t i = 0; path.empty() && i < kFileNames.size(); ++i) {
        const std::string candidate = directory + "/" + kFileNames[i];
        if (::access(candidate.c_str(), F_OK) == 0) {
            path = candidate;
        }
    }
    if (path.empty()) {
        path = directory + "/" + kFileNames[0];
    }
    CHECK_OK(check_readable_at_once(path));
    auto text = read_file(path, dockerfile::kDockerfileBytesMax);
    if (!text && text.error().code == std::errc::no_such_file_or_directory) {
        return fail(Error{.code = text.error().code,
                          .message = fmt::format("failed to read dockerfile: open {}: no such "
                                                 "file or directory",
                                                 path)});
    }
    if (!text) {
        return fail(std::move(text).error().context("failed to read dockerfile"));
    }
    dockerfile_path_ = path;
    return DockerfileText{.name = base_name(path), .text = *std::move(text)};
}

Result<DockerfileText> BuildContexts::read_separate_file() {
    if (options_.file == "-") {
        FdSource stdin_source(STDIN_FILENO);
        TRY(std::string text, read_text(stdin_source, "stdin"));
        return DockerfileText{.name = "Dockerfile", .text = std::move(text)};
    }
    TRY(auto remote, files::fetch_http(http_step(options_.file), http_directory(options_.root),
                                       session_, options_.secrets));
    TRY(const auto file, open_only_file(*remote.files));
    TRY(std::string text, read_text(*file, options_.file));
    return DockerfileText{.name = base_name(options_.file), .text = std::move(text)};
}

Result<std::unique_ptr<layers::FileSource>> BuildContexts::unpack(ByteSource& archive) {
    TRY(const std::string directory, options_.build_directory());
    return files::open_tar_context(archive, directory);
}

Result<std::map<std::string, graph::NamedContext>> BuildContexts::named() const {
    using Kind = graph::NamedContext::Kind;
    std::map<std::string, graph::NamedContext> contexts;
    contexts["context"] = {.kind = Kind::files, .place = {}};
    for (const auto& [name, place] : options_.named) {
        if (name == "context") {
            return fail(invalid("--build-context context: that is the name of the main one"));
        }
        if (is_image_place(place)) {
            const std::string image = image_place(place);
            if (auto parsed = image::ImagePlace::parse(image); !parsed) {
                return fail(std::move(parsed).error().context("--build-context " + name));
            }
            contexts[name] = {.kind = Kind::image, .place = image};
        } else {
            contexts[name] = {.kind = Kind::files, .place = {}};
        }
    }
    return contexts;
}

Result<dockerfile::IgnorePatterns> BuildContexts::ignored() const {
    if (!main_directory_) {
        return dockerfile::IgnorePatterns{};
    }
    TRY(const auto ignore,
        files::find_ignore_file(*main_directory_, dockerfile_path_, options_.ignore_file));
    return ignore ? dockerfile::IgnorePatterns::parse(ignore->text, ignore->name)
                  : dockerfile::IgnorePatterns{};
}

Result<std::unique_ptr<layers::FileSource>> BuildContexts::open_directory(
    const std::string& directory, bool main) {
    const solve::TaskId task =
        progress_.begin(main ? "[internal] load build context" : "[context] load " + directory);
    files::LocalContextOptions options{.directory = directory,
                                       .stat_index = stat_index_path(options_.root),
                                       .workers = &session_.pool()};
    auto ignore = files::find_ignore_file(directory, main ? dockerfile_path_ : "",
                                          main ? options_.ignore_file : "");
    if (ignore && *ignore) {
        options.ignore_name = (*ignore)->name;
        options.ignore_text = (*ignore)->text;
    }
    auto files = ignore ? files::open_local_context(options) : fail(std::move(ignore).error());
    progress_.end(task, files ? solve::Outcome::done : solve::Outcome::failed,
                  files ? "" : files.error().message);
    return files;
}

Result<void> BuildContexts::fetch_context(const std::string& url, Opened& opened) {
    const solve::TaskId task = progress_.begin("[context] load " + url);
    const auto fetch = [&]() -> Result<void> {
        TRY(const auto git, graph::parse_git_reference(url));
        if (git) {
            TRY(auto remote, fetch_git(git->step));
            opened.time_s = remote.time_s;
            opened.files = std::move(remote.files);
            return {};
        }
        TRY(auto remote, files::fetch_http(http_step(url), http_directory(options_.root), session_,
                                           options_.secrets));
        TRY(const auto file, open_only_file(*remote.files));
        PeekedSource peeked(*file);
        TRY(const ByteView head, peeked.peek());
        opened.is_archive = is_archive(head);
        opened.time_s = remote.time_s;
        if (opened.is_archive) {
            TRY(opened.files, unpack(peeked));
        } else {
            opened.files = std::move(remote.files);
        }
        return {};
    };
    auto done = fetch();
    progress_.end(task, done ? solve::Outcome::done : solve::Outcome::failed,
                  done ? "" : done.error().message);
    return done;
}

Result<layers::FileSource*> BuildContexts::open(const graph::ContextStep& step) {
    Opened* opened = nullptr;
    {
        const std::lock_guard lock(mutex_);
        auto& entry = opened_[step.name];
        if (entry == nullptr) {
            entry = std::make_unique<Opened>();
        }
        opened = entry.get();
    }
    const std::lock_guard lock(opened->mutex);
    if (opened->files != nullptr) {
        return opened->files.get();
    }
    if (step.name == "context") {
        TRY(opened->files, open_directory(*main_directory_, true));
        return opened->files.get();
    }
    const std::string& place = options_.named.at(step.name);
    TRY(const auto git, graph::parse_git_reference(place));
    if (git || is_url(place)) {
        CHECK_OK(fetch_context(place, *opened));
    } else {
        TRY(opened->files, open_directory(place, false));
    }
    return opened->files.get();
}

template <class Step, class Fetch>
Result<BuildContexts::Opened*> BuildContexts::fetch_once(const std::string& identity,
                                                         const Step& step, Fetch fetch) {
    Opened* opened = nullptr;
    {
        const std::lock_guard lock(mutex_);
        auto& entry = opened_[identity];
        if (entry == nullptr) {
            entry = std::make_unique<Opened>();
        }
        opened = entry.get();
    }
    const std::lock_guard lock(opened->mutex);
    if (opened->files == nullptr) {
        TRY(auto remote, fetch(step));
        opened->identity = std::move(remote.identity);
        opened->time_s = remote.time_s;
        opened->files = std::move(remote.files);
    }
    return opened;
}

Result<BuildContexts::Opened*> BuildContexts::fetch_once(const graph::GitStep& step) {
    const std::string identity =
        fmt::format("git\n{}\n{}\n{}\n{}\n{}{}{}", step.remote, step.reference, step.directory,
                    step.checksum, step.keep_git_directory, step.submodules, step.commit_times);
    return fetch_once(identity, step, [&](const graph::GitStep& git) { return fetch_git(git); });
}

Result<files::RemoteFiles> BuildContexts::fetch_git(const graph::GitStep& step) {
    return files::fetch_git(step, git_directory(options_.root), session_, options_.secrets,
                            options_.ssh_agent);
}

Result<BuildContexts::Opened*> BuildContexts::fetch_once(const graph::HttpStep& step) {
    const std::string identity =
        fmt::format("http\n{}\n{}\n{}", step.url, step.file_name, step.checksum);
    return fetch_once(identity, step, [&](const graph::HttpStep& http) {
        return files::fetch_http(http, http_directory(options_.root), session_, options_.secrets);
    });
}

Result<solve::RemoteSource> BuildContexts::open_git(const graph::GitStep& step) {
    TRY(Opened* const opened, fetch_once(step));
    return solve::RemoteSource{.identity = opened->identity, .files = opened->files.get()};
}

Result<solve::RemoteSource> BuildContexts::open_http(const graph::HttpStep& step) {
    TRY(Opened* const opened, fetch_once(step));
    return solve::RemoteSource{.identity = opened->identity, .files = opened->files.get()};
}

Result<std::int64_t> BuildContexts::time_of(const std::string& name) {
    const std::string place = name == "context" ? "context" : "context " + name;
    const bool remote = name != "context" && (is_url(options_.named.at(name)) ||
                                              *graph::parse_git_reference(options_.named.at(name)));
    if (name == "context" ? main_directory_.has_value() : !remote) {
        return fail(
            invalid(place +
                    " is a directory of this host, which has no time of its own: a repository, a "
                    "URL or an archive has; for a working tree say the number that `git log -1 "
                    "--format=%ct` prints"));
    }
    TRY(layers::FileSource* const files, open({.name = name}));
    const Opened* opened = nullptr;
    {
        const std::lock_guard lock(mutex_);
        opened = opened_.at(name).get();
    }
    if (opened->time_s) {
        return *opened->time_s;
    }
    if (!opened->is_archive) {
        return fail(invalid(place + ": nobody has said how old it is (no Last-Modified)"));
    }
    return newest_time(*files);
}

Result<std::int64_t> BuildContexts::time_of(const graph::GitStep& step) {
    TRY(Opened* const opened, fetch_once(step));
    return opened->time_s ? Result<std::int64_t>{*opened->time_s}
                          : fail(invalid(step.remote + ": a commit without a time"));
}

Result<std::int64_t> BuildContexts::time_of(const graph::HttpStep& step) {
    TRY(Opened* const opened, fetch_once(step));
    return opened->time_s
               ? Result<std::int64_t>{*opened->time_s}
               : fail(
                     invalid(step.url + ": the server has not said how old it is (Last-Modified)"));
}

}  // namespace lazybuild::cli
