// SPDX-License-Identifier: Apache-2.0
#include "codec/sha256.h"

#include <openssl/evp.h>

#include "base/assert.h"

namespace lazybuild::codec {
namespace {

// Looked for once: EVP_sha256() would have it looked for at every start, which takes longer than
// the digest of a small file.
const EVP_MD* algorithm() {
    static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    ASSERT(found != nullptr);
    return found;
}

}  // namespace

// OpenSSL's digest calls fail only for lack of memory or a build without SHA-256: neither is a
// condition to carry through every caller.
struct Sha256::Context {
    Context() : evp(EVP_MD_CTX_new()) {
        ASSERT(evp != nullptr);
        start();
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { EVP_MD_CTX_free(evp); }

    void start() const { ASSERT(EVP_DigestInit_ex(evp, algorithm(), nullptr) == 1); }

    EVP_MD_CTX* evp;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(ByteView bytes) {
    ASSERT(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
    Digest::Raw raw;
    ASSERT(EVP_DigestFinal_ex(context_->evp, reinterpret_cast<unsigned char*>(raw.data()),
                              nullptr) == 1);
    context_->start();
    return Digest{raw};
}

Digest sha256(ByteView bytes) {
    Sha256 running;
    running.update(bytes);
    return running.finish();
}

}  // namespace lazybuild::codec
