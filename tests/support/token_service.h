// SPDX-License-Identifier: Apache-2.0
// A token service that the real docker-registry trusts: signed JWTs for the scopes asked for, as
// far as the user may have them. Runs on a FakeServer.
//
// Source: Docker registry token authentication, "Using the token" and "JWT implementation".
#pragma once

#include <string>
#include <vector>

#include "tests/support/fake_server.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::test {

class TokenService {
  public:
    /// Anonymous users may pull from what begins with "public/"; `user` with `password`, or who
    /// shows `refresh_token`, may do everything.
    struct User {
        std::string name = "ali";
        std::string password = "open sesame";
        std::string refresh_token = "identity";
    };

    TokenService() : TokenService(User{}) {}
    explicit TokenService(User user);

    /// What goes under "auth:" of the registry's configuration.
    std::string registry_config() const;
    /// What was asked of it.
    std::vector<FakeRequest> requests() const { return server_.requests(); }

  private:
    FakeReply answer(const FakeRequest& request) const;
    std::string make_token(const std::string& user, const std::vector<std::string>& scopes) const;

    const User user_;
    TempDir directory_;
    FakeServer server_;
};

}  // namespace lazybuild::test
