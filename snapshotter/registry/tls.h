// SPDX-License-Identifier: Apache-2.0
// TLS over a socket of the reactor: OpenSSL does the cryptography between two buffers in memory,
// the reactor moves what is in them.
//
// Who is trusted: the system's certificate authorities, and every *.crt of the directories given
// (docker's certs.d layout: NAME.cert with NAME.key is what we show of ourselves). TLS 1.2 and up;
// the peer's name or address must be in its certificate.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/registry/stream.h"

namespace lazybuild::registry {

struct TlsOptions {
    bool verify = true;
    std::vector<std::string> certificate_directories;  ///< missing ones are skipped
};

/// What connections to one host share. Immutable once made.
class TlsContext {
  public:
    /// Reads certificate files and blocks: call it on a pool thread. Errors name the file.
    static Result<std::shared_ptr<const TlsContext>> create(const TlsOptions& options);
    /// Takes what SSL_CTX_new gave. For create().
    explicit TlsContext(SSL_CTX* context) : context_(context) {}

    SSL_CTX* get() const { return context_.get(); }

  private:
    struct Free {
        void operator()(SSL_CTX* context) const;
    };
    std::unique_ptr<SSL_CTX, Free> context_;
};

/// Shakes hands as a client with the peer of a connected `socket`, whose certificate must be for
/// `host` (a name, or an address without brackets) unless the context does not verify.
/// Errors: protocol_error with OpenSSL's reason, else those of the socket.
io::Task<Result<std::unique_ptr<Stream>>> connect_tls(io::Reactor& reactor, Fd socket,
                                                      std::shared_ptr<const TlsContext> context,
                                                      std::string host, io::Wait wait);

}  // namespace lazybuild::registry
