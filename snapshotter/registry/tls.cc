// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

#include "snapshotter/io/operations.h"

namespace lazybuild::registry {
namespace {

constexpr std::size_t kRecordBufferBytes = 17 << 10;  // one TLS record and its overhead
constexpr std::size_t kCertificateFilesMax = 256;

// The first line of OpenSSL's error queue of this thread, which is emptied.
std::string openssl_reason() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
        return "the peer does not speak TLS (a plain HTTP registry? --plain-http)";
    }
    if (code == 0) {
        return "unknown reason";
    }
    const char* reason = ERR_reason_error_string(code);
    return reason == nullptr ? fmt::format("error {:#x}", code) : reason;
}

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

// The files of `directory` that end in `suffix`, sorted. A missing directory has none.
std::vector<std::string> files_with_suffix(const std::string& directory, std::string_view suffix) {
    std::vector<std::string> files;
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
        std::string path = entry->path().string();
        if (path.ends_with(suffix) && files.size() < kCertificateFilesMax) {
            files.push_back(std::move(path));
        }
    }
    std::ranges::sort(files);
    return files;
}

Result<void> load_directory(SSL_CTX* context, const std::string& directory) {
    for (const std::string& file : files_with_suffix(directory, ".crt")) {
        if (SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
            return fail(
                invalid(fmt::format("{}: no usable CA certificate: {}", file, openssl_reason())));
        }
    }
    for (const std::string& file : files_with_suffix(directory, ".cert")) {
        const std::string key = file.substr(0, file.size() - 5) + ".key";
        if (SSL_CTX_use_certificate_chain_file(context, file.c_str()) != 1 ||
            SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
            return fail(invalid(fmt::format("{} with {}: no usable client certificate: {}", file,
                                            key, openssl_reason())));
        }
    }
    return {};
}

struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};

class TlsStream final : public Stream {
  public:
    TlsStream(io::Reactor& reactor, Fd socket, std::shared_ptr<const TlsContext> context, SSL* ssl)
        : reactor_(reactor),
          socket_(std::move(socket)),
          context_(std::move(context)),
          owned_ssl_(ssl),
          ssl_(ssl) {
        // OpenSSL reads from one memory buffer and writes to another; ssl_ owns both.
        SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    }

    Result<void> expect_host(const std::string& host);
    io::Task<Result<void>> handshake(io::Wait wait);
    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) override;
    io::Task<Result<void>> write(ByteView bytes, io::Wait wait) override;
    bool is_quiet() const override {
        return SSL_pending(ssl_) == 0 && BIO_ctrl_pending(SSL_get_rbio(ssl_)) == 0 &&
               socket_is_quiet(socket_.get());
    }

  private:
    io::Task<Result<void>> flush(io::Wait wait);
    io::Task<Result<void>> fill(io::Wait wait);
    Error tls_error(std::string_view what, int ssl_error) const;

    io::Reactor& reactor_;
    Fd socket_;
    std::shared_ptr<const TlsContext> context_;
    std::unique_ptr<SSL, FreeSsl> owned_ssl_;
    SSL* const ssl_;
    Bytes buffer_ = Bytes(kRecordBufferBytes);
};

Result<void> TlsStream::expect_host(const std::string& host) {
    bool accepted = false;
    if (is_address(host)) {
        accepted = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host.c_str()) == 1;
    } else {
        SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        accepted = SSL_set1_host(ssl_, host.c_str()) == 1 &&
                   SSL_set_tlsext_host_name(ssl_, host.c_str()) == 1;
    }
    if (!accepted) {
        return fail(invalid(fmt::format("\"{}\" is no name for TLS", host)));
    }
    return {};
}

Error TlsStream::tls_error(std::string_view what, int ssl_error) const {
    const long verified = SSL_get_verify_result(ssl_);
    const std::string reason = openssl_reason();
    if (ssl_error == SSL_ERROR_SYSCALL) {
        return Error{std::errc::connection_reset, fmt::format("TLS {}: {}", what, reason)};
    }
    if (verified != X509_V_OK && (SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) != 0) {
        return Error{std::errc::protocol_error,
                     fmt::format("TLS {}: the certificate is not trusted: {}", what,
                                 X509_verify_cert_error_string(verified))};
    }
    return Error{std::errc::protocol_error, fmt::format("TLS {}: {}", what, reason)};
}

// Sends what OpenSSL has written.
io::Task<Result<void>> TlsStream::flush(io::Wait wait) {
    BIO* out = SSL_get_wbio(ssl_);
    while (BIO_ctrl_pending(out) > 0) {
        const int size = BIO_read(out, buffer_.data(), static_cast<int>(buffer_.size()));
        if (size <= 0) {
            co_return fail(Error{std::errc::io_error, "TLS: the output buffer cannot be read"});
        }
        const ByteView piece = ByteView(buffer_).first(static_cast<std::size_t>(size));
        co_await io::or_return(co_await io::send_all(reactor_, socket_.get(), piece, wait));
    }
    co_return Result<void>{};
}

// Receives something for OpenSSL to read.
io::Task<Result<void>> TlsStream::fill(io::Wait wait) {
    const std::size_t size = co_await io::or_return(
        co_await io::recv(reactor_, socket_.get(), MutableByteView(buffer_), std::move(wait)));
    if (size == 0) {
        // Without TLS's own goodbye nobody can tell an end from an attacker who cut the line.
        co_return fail(
            Error{std::errc::connection_reset, "the peer closed the connection within TLS"});
    }
    BIO_write(SSL_get_rbio(ssl_), buffer_.data(), static_cast<int>(size));
    co_return Result<void>{};
}

io::Task<Result<void>> TlsStream::handshake(io::Wait wait) {
    while (true) {
        ERR_clear_error();
        const int status = SSL_connect(ssl_);
        const int ssl_error = SSL_get_error(ssl_, status);
        const bool has_failed = status != 1 && ssl_error != SSL_ERROR_WANT_READ;
        if (has_failed) {
            Error error = tls_error("handshake", ssl_error);
            // The alert tells the server why; whether it arrives changes nothing for us.
            const auto flushed = co_await flush(wait);
            static_cast<void>(flushed);
            co_return fail(std::move(error));
        }
        co_await io::or_return(co_await flush(wait));
        if (status == 1) {
            co_return Result<void>{};
        }
        co_await io::or_return(co_await fill(wait));
    }
}

io::Task<Result<std::size_t>> TlsStream::read(MutableByteView out, io::Wait wait) {
    while (true) {
        ERR_clear_error();
        std::size_t size = 0;
        const int status = SSL_read_ex(ssl_, out.data(), out.size(), &size);
        if (status == 1) {
            co_return size;
        }
        const int ssl_error = SSL_get_error(ssl_, status);
        if (ssl_error == SSL_ERROR_ZERO_RETURN) {
            co_return std::size_t{0};
        }
        if (ssl_error != SSL_ERROR_WANT_READ) {
            co_return fail(tls_error("read", ssl_error));
        }
        // A key update or a late handshake message may want an answer first.
        co_await io::or_return(co_await flush(wait));
        co_await io::or_return(co_await fill(wait));
    }
}

io::Task<Result<void>> TlsStream::write(ByteView bytes, io::Wait wait) {
    while (!bytes.empty()) {
        // In pieces, so that the memory buffer holds no whole upload.
        constexpr std::size_t kPieceBytesMax = 64 << 10;
        const ByteView piece = bytes.first(std::min(bytes.size(), kPieceBytesMax));
        ERR_clear_error();
        std::size_t size = 0;
        const int status = SSL_write_ex(ssl_, piece.data(), piece.size(), &size);
        const int ssl_error = SSL_get_error(ssl_, status);
        if (status != 1 && ssl_error != SSL_ERROR_WANT_READ) {
            co_return fail(tls_error("write", ssl_error));
        }
        co_await io::or_return(co_await flush(wait));
        if (status == 1) {
            bytes = bytes.subspan(size);
        } else {
            co_await io::or_return(co_await fill(wait));
        }
    }
    co_return Result<void>{};
}

}  // namespace

void TlsContext::Free::operator()(SSL_CTX* context) const {
    SSL_CTX_free(context);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const TlsOptions& options) {
    ERR_clear_error();
    SSL_CTX* raw = SSL_CTX_new(TLS_client_method());
    if (raw == nullptr) {
        return fail(Error{std::errc::not_enough_memory, "TLS: " + openssl_reason()});
    }
    auto context = std::make_shared<const TlsContext>(raw);
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_verify(raw, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    // A client that only ever speaks HTTP/1.1: a server must not choose HTTP/2.
    constexpr std::array<unsigned char, 9> kProtocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX_set_alpn_protos(raw, kProtocols.data(), kProtocols.size());
    if (options.verify) {
        // A machine without CA certificates may still have those of the directories.
        SSL_CTX_set_default_verify_paths(raw);
    }
    for (const std::string& directory : options.certificate_directories) {
        CHECK_OK(load_directory(raw, directory));
    }
    ERR_clear_error();
    return context;
}

io::Task<Result<std::unique_ptr<Stream>>> connect_tls(io::Reactor& reactor, Fd socket,
                                                      std::shared_ptr<const TlsContext> context,
                                                      std::string host, io::Wait wait) {
    SSL* ssl = SSL_new(context->get());
    if (ssl == nullptr) {
        co_return fail(Error{std::errc::not_enough_memory, "TLS: " + openssl_reason()});
    }
    auto stream = std::make_unique<TlsStream>(reactor, std::move(socket), std::move(context), ssl);
    co_await io::or_return(stream->expect_host(host));
    co_await io::or_return(co_await stream->handshake(std::move(wait)));
    std::unique_ptr<Stream> connected = std::move(stream);
    co_return connected;
}

}  // namespace lazybuild::registry
