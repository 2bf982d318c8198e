// SPDX-License-Identifier: Apache-2.0
// eStargz as a row of the table of layer formats: gzip members as chunks, a TOC as JSON in a gzip
// member near the end, and a footer that says where.
//
// Source: eStargz v0.4.
#pragma once

#include "codec/layer_format.h"

namespace lazybuild::codec {

extern const LayerFormat kEstargzFormat;

}  // namespace lazybuild::codec
