// SPDX-License-Identifier: Apache-2.0
// A keeper's client: gives it descriptors to keep, and takes what a predecessor gave.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "keeper/message.h"

namespace lazybuild::keeper {

/// One connection. Threads: one at a time. No call waits longer than a few seconds.
class Client {
  public:
    /// Errors: those of connect(2); permission_denied when the keeper is neither root's nor ours.
    static Result<Client> connect(const std::string& path);

    /// Duplicates of what is kept under `name`, in the order in which it was put; none when nothing
    /// is.
    Result<std::vector<Fd>> take(std::string_view name);
    /// Has duplicates of `descriptors` kept under `name`, in place of what is there.
    Result<void> put(std::string_view name, std::span<const int> descriptors);
    /// Has what is kept under `name` closed.
    Result<void> drop(std::string_view name);

    /// False once the keeper has gone. Does not wait.
    bool is_connected() const;

  private:
    explicit Client(Fd socket) : socket_(std::move(socket)) {}
    Result<Message> ask(const Outgoing& question);

    Fd socket_;
};

}  // namespace lazybuild::keeper
