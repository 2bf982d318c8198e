// SPDX-License-Identifier: Apache-2.0
#include "tests/support/token_service.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/assert.h"

namespace lazybuild::test {
namespace {

constexpr std::string_view kIssuer = "lazybuild tests";
constexpr std::string_view kService = "registry under test";

std::string base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::string base64url(std::string_view bytes) {
    std::string out = base64(bytes);
    out.resize(out.find_last_not_of('=') + 1);
    for (char& c : out) {
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    return out;
}

// RS256.
std::string sign(const std::string& key_file, std::string_view text) {
    std::FILE* file = std::fopen(key_file.c_str(), "re");
    ASSERT(file != nullptr);
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_PrivateKey(file, nullptr, nullptr, nullptr), EVP_PKEY_free);
    std::fclose(file);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get());
    const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    EVP_DigestSign(context.get(), nullptr, &size, data, text.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                   text.size());
    signature.resize(size);
    return signature;
}

std::string decode_percent(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_escape = text[i] == '%' && i + 2 < text.size();
        out += is_escape
                   ? static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16))
                   : text[i];
        i += is_escape ? 2 : 0;
    }
    return out;
}

// The values of `key` in "a=b&c=d", each split at spaces.
std::vector<std::string> values(std::string_view form, std::string_view key) {
    std::vector<std::string> found;
    while (!form.empty()) {
        const std::string_view pair = form.substr(0, form.find('&'));
        form.remove_prefix(std::min(form.size(), pair.size() + 1));
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos || pair.substr(0, equals) != key) {
            continue;
        }
        const std::string value = decode_percent(pair.substr(equals + 1));
        for (std::size_t start = 0; start < value.size();) {
            const std::size_t end = std::min(value.find(' ', start), value.size());
            found.push_back(value.substr(start, end - start));
            start = end + 1;
        }
    }
    return found;
}

// "repository:a/b:pull,push" as an entry of the token's "access", with what `user` may do.
std::string access_entry(const std::string& scope, bool may_all) {
    const std::size_t first = scope.find(':');
    const std::size_t last = scope.rfind(':');
    const std::string name = scope.substr(first + 1, last - first - 1);
    std::string actions;
    std::string_view rest = std::string_view(scope).substr(last + 1);
    while (!rest.empty()) {
        const std::string action(rest.substr(0, rest.find(',')));
        rest.remove_prefix(std::min(rest.size(), action.size() + 1));
        if (may_all || (action == "pull" && name.starts_with("public/"))) {
            actions += (actions.empty() ? "\"" : ",\"") + action + "\"";
        }
    }
    return fmt::format(R"({{"type":"{}","name":"{}","actions":[{}]}})", scope.substr(0, first),
                       name, actions);
}

}  // namespace

TokenService::TokenService(User user)
    : user_(std::move(user)),
      server_([this](const FakeRequest& request) { return answer(request); }) {
    directory_.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 "
        "-subj /CN=tokens 2>/dev/null && openssl x509 -in cert.pem -outform DER -out cert.der");
}

std::string TokenService::registry_config() const {
    return fmt::format(
        "  token:\n    realm: {}/token\n    service: {}\n    issuer: {}\n    rootcertbundle: {}\n",
        server_.url(), kService, kIssuer, directory_ / "cert.pem");
}

FakeReply TokenService::answer(const FakeRequest& request) const {
    const bool is_post = request.method == "POST";
    const std::string form =
        is_post ? request.body : request.target.substr(request.target.find('?') + 1);
    std::string user;
    const std::string basic = "Basic " + base64(user_.name + ":" + user_.password);
    if (is_post) {
        const auto tokens = values(form, "refresh_token");
        if (tokens.empty() || tokens.front() != user_.refresh_token) {
            return reply(401, R"({"details":"invalid refresh token"})");
        }
        user = user_.name;
    } else if (const std::string field = request.field("authorization"); !field.empty()) {
        if (field != basic) {
            return reply(401, R"({"details":"incorrect username or password"})");
        }
        user = user_.name;
    }
    const std::string name = is_post ? "access_token" : "token";
    return reply(200, fmt::format(R"({{"{}":"{}","expires_in":300}})", name,
                                  make_token(user, values(form, "scope"))));
}

std::string TokenService::make_token(const std::string& user,
                                     const std::vector<std::string>& scopes) const {
    std::string access;
    for (const std::string& scope : scopes) {
        access += (access.empty() ? "" : ",") + access_entry(scope, !user.empty());
    }
    const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
    const std::string header = fmt::format(R"({{"typ":"JWT","alg":"RS256","x5c":["{}"]}})",
                                           base64(directory_.read("cert.der")));
    const std::string claims = fmt::format(
        R"({{"iss":"{}","sub":"{}","aud":"{}","exp":{},"nbf":{},"iat":{},"jti":"1","access":[{}]}})",
        kIssuer, user, kService, now + 300, now - 10, now, access);
    const std::string signed_text = base64url(header) + "." + base64url(claims);
    return signed_text + "." + base64url(sign(directory_ / "key.pem", signed_text));
}

}  // namespace lazybuild::test
