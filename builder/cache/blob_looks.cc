// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/blob_looks.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include "builder/export/parallel.h"

namespace lazybuild::cache {
namespace {

/// As many as the registry client has connections to one host.
constexpr std::size_t kLooksAtOnce = 8;
constexpr std::chrono::seconds kLookTimeout{60};
/// Of one host: then it is down, and a thousand more timeouts would not say more.
constexpr int kSilencesMax = 3;

class Looks {
  public:
    explicit Looks(image::Session& session) : session_(session) {}

    /// Errors: operation_canceled.
    Result<BlobLook> look(const WantedBlob& wanted);

  private:
    struct Silence {
        int count = 0;
        std::string why;
    };
    /// "": it is there; else why not. Errors: operation_canceled.
    Result<std::string> ask(image::ImageSource& place, const codec::Descriptor& blob);
    std::string silence_of(const std::string& host);
    void add_silence(const std::string& host, const std::string& why);

    image::Session& session_;
    std::mutex mutex_;  // guards silent_
    std::map<std::string, Silence> silent_;
};

std::string host_of(const image::ImageSource& place) {
    const registry::Repository* const repository = place.repository();
    return repository == nullptr ? place.origin().path : repository->host;
}

// Not of one that says that it has no such blob, or shows us none.
bool is_silence(std::errc code) {
    return code != std::errc::permission_denied && code != std::errc::no_such_file_or_directory;
}

std::string Looks::silence_of(const std::string& host) {
    const std::lock_guard lock(mutex_);
    const auto silence = silent_.find(host);
    return silence == silent_.end() || silence->second.count < kSilencesMax ? ""
                                                                            : silence->second.why;
}

void Looks::add_silence(const std::string& host, const std::string& why) {
    const std::lock_guard lock(mutex_);
    Silence& silence = silent_[host];
    ++silence.count;
    silence.why = why;
}

Result<std::string> Looks::ask(image::ImageSource& place, const codec::Descriptor& blob) {
    const std::string host = host_of(place);
    if (std::string why = silence_of(host); !why.empty()) {
        return why;
    }
    const io::Wait wait{.deadline = io::deadline_in(kLookTimeout),
                        .cancel = session_.wait().cancel};
    const auto size_bytes = session_.wait_for(place.blob_size(blob.digest, wait));
    if (!size_bytes) {
        const Error& error = size_bytes.error();
        if (error.code == std::errc::operation_canceled) {
            return fail(error);
        }
        if (is_silence(error.code)) {
            add_silence(host, error.message);
        }
        return error.message;
    }
    if (!*size_bytes) {
        return "it is not there";
    }
    if (blob.size_bytes != 0 && **size_bytes != blob.size_bytes) {
        return fmt::format("it has {} bytes there, not {}", **size_bytes, blob.size_bytes);
    }
    return "";
}

Result<BlobLook> Looks::look(const WantedBlob& wanted) {
    BlobLook look;
    for (std::size_t i = 0; i < wanted.places.size(); ++i) {
        TRY(const std::string why, ask(*wanted.places[i], wanted.blob));
        if (why.empty()) {
            return BlobLook{.place = i, .why = {}};
        }
        look.why += fmt::format("{}{}: {}", look.why.empty() ? "" : "; ",
                                place_name(*wanted.places[i]), why);
    }
    if (wanted.places.empty()) {
        look.why = "no place is known where it is";
    }
    return look;
}

}  // namespace

std::string place_name(const image::ImageSource& source) {
    const registry::Repository* const repository = source.repository();
    return repository == nullptr ? source.name() : repository->text();
}

Result<std::vector<BlobLook>> look_for_blobs(const std::vector<WantedBlob>& wanted,
                                             image::Session& session) {
    Looks looks{session};
    std::vector<BlobLook> answers(wanted.size());
    auto one = [&](std::size_t i) -> Result<void> {
        TRY(answers[i], looks.look(wanted[i]));
        return {};
    };
    CHECK_OK(exporter::run_parallel(wanted.size(), kLooksAtOnce, one));
    return answers;
}

}  // namespace lazybuild::cache
