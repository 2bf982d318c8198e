// SPDX-License-Identifier: Apache-2.0
// An SSH agent that holds keys from files (--ssh ID=KEY), for the time of a build: ssh-agent as a
// child, ssh-add to read the keys. Its socket is in a directory of ours that nobody else can enter.
//
// Linux: PR_SET_PDEATHSIG, which execve of a program with a set-group-ID bit (Debian's ssh-agent
// has one) would undo; PR_SET_NO_NEW_PRIVS makes that bit mean nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace lazybuild::exec {

class KeyAgent {
  public:
    /// `directory` exists; `keys` are absolute paths of private keys. The agent ends with the
    /// thread that calls this, or before. Blocks, a minute at most. Errors:
    /// no_such_file_or_directory when OpenSSH's programs are not there; invalid_argument for what
    /// is no key, or one with a passphrase, which nobody is asked for; timed_out.
    static Result<std::unique_ptr<KeyAgent>> start(const std::string& directory,
                                                   const std::vector<std::string>& keys);
    /// Ends it and takes its directory away.
    virtual ~KeyAgent() = default;

    /// Path for this process only; short enough for an address.
    virtual std::string socket() const = 0;
};

}  // namespace lazybuild::exec
