// SPDX-License-Identifier: Apache-2.0
// Tells systemd how a service is (sd_notify(3)): one datagram to $NOTIFY_SOCKET.
#pragma once

#include <string_view>

#include "base/result.h"

namespace lazybuild {

/// `state` as sd_notify takes it: "READY=1", "STOPPING=1". Without $NOTIFY_SOCKET nothing happens.
/// Errors: those of sendto(2).
Result<void> notify_service_manager(std::string_view state);

}  // namespace lazybuild
