// SPDX-License-Identifier: Apache-2.0
// From places, as users write them, to sources and targets.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "builder/image/image_place.h"
#include "builder/image/image_source.h"
#include "builder/image/image_target.h"
#include "builder/image/session.h"
#include "codec/oci_platform.h"

namespace lazybuild::image {

/// Errors: those of opening a layout or unpacking an archive. Not on the reactor's thread: an
/// archive is unpacked while the session runs.
Result<std::unique_ptr<ImageSource>> open_source(const ImagePlace& place, Session& session);
/// The same for a thread that blocks while another one is in Session::run_blocking().
Result<std::unique_ptr<ImageSource>> open_source_blocking(const ImagePlace& place,
                                                          Session& session);
/// A place where a blob is, as a source of blobs; nothing is asked of it yet. Errors: those of
/// opening a layout; invalid_argument; not_supported.
Result<std::unique_ptr<ImageSource>> origin_source(const store::Origin& origin, Session& session);
/// `place` is from parse_target. Errors: those of making a layout.
Result<std::unique_ptr<ImageTarget>> open_target(const ImagePlace& place, Session& session);

/// --platform: nullopt for "". Errors: invalid_argument.
Result<std::optional<codec::Platform>> parse_platform(const std::string& text);

}  // namespace lazybuild::image
