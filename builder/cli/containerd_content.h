// SPDX-License-Identifier: Apache-2.0
// The Write stream of containerd's content service. Internal to containerd_client.cc.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "builder/cli/containerd_call.h"
#include "builder/cli/containerd_client.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cli {

/// `ref` names the ingest; two of one name exclude each other.
Result<std::unique_ptr<ContentIngest>> open_content_ingest(ContainerdCalls& calls,
                                                           const std::string& ref,
                                                           const codec::Descriptor& blob);

}  // namespace lazybuild::cli
