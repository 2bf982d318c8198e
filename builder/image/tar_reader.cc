// SPDX-License-Identifier: Apache-2.0
#include "builder/image/tar_reader.h"

#include <archive.h>

#include "base/assert.h"

namespace lazybuild::image {

void FreeArchive::operator()(archive* reader) const {
    ::archive_read_free(reader);
}

TarReader new_tar_reader() {
    TarReader reader{::archive_read_new()};
    ASSERT(reader != nullptr);
    // One by one: "all" would also run programs that the archive's first bytes ask for.
    ::archive_read_support_filter_gzip(reader.get());
    ::archive_read_support_filter_bzip2(reader.get());
    ::archive_read_support_filter_xz(reader.get());
    ::archive_read_support_filter_zstd(reader.get());
    ::archive_read_support_format_tar(reader.get());
    return reader;
}

Error archive_error(archive* reader) {
    const char* const text = ::archive_error_string(reader);
    return corrupt(text != nullptr ? text : "not a tar archive");
}

}  // namespace lazybuild::image
