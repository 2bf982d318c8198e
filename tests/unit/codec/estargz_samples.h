// SPDX-License-Identifier: Apache-2.0
// Small tars to make eStargz layers from.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/stream.h"
#include "codec/tar.h"
#include "gzip_oracle.h"

namespace lazybuild::codec::test {

inline TarEntry tar_entry(FileType type, std::string path) {
    TarEntry made;
    made.entry.type = type;
    made.entry.path = std::move(path);
    made.entry.mode = type == FileType::directory ? 0755 : 0644;
    made.entry.mtime_s = 1'700'000'000;
    return made;
}

inline TarEntry hard_link(std::string path, std::string target) {
    TarEntry made = tar_entry(FileType::regular, std::move(path));
    made.entry.kind = LayerEntry::Kind::hardlink;
    made.entry.link_target = std::move(target);
    return made;
}

class TarBuilder {
  public:
    TarBuilder& add(const TarEntry& entry) {
        append(bytes_, tar_header(entry));
        return *this;
    }
    TarBuilder& add_file(TarEntry entry, ByteView content) {
        entry.entry.size_bytes = content.size();
        append(bytes_, tar_header(entry));
        append(bytes_, content);
        append(bytes_, tar_padding(content.size()));
        return *this;
    }
    TarBuilder& add_file(std::string path, ByteView content) {
        return add_file(tar_entry(FileType::regular, std::move(path)), content);
    }
    TarBuilder& add_directory(std::string path) {
        return add(tar_entry(FileType::directory, std::move(path)));
    }
    Bytes finish() {
        append(bytes_, tar_end());
        return bytes_;
    }

  private:
    Bytes bytes_;
};

/// Every type that a layer can hold, long names, big numbers, odd names and times, whiteouts.
inline Bytes tar_of_every_type() {
    TarBuilder tar;
    tar.add_directory("./");
    tar.add_directory("./usr/");
    TarEntry script = tar_entry(FileType::regular, "./usr/run");
    script.entry.mode = 04755;
    script.entry.uid = 1000;
    script.entry.gid = 3'000'000;
    script.user_name = "someone";
    script.group_name = "many";
    script.entry.xattrs = {{.name = "security.capability", .value = std::string("\x01\0\xff", 3)},
                           {.name = "user.empty", .value = ""},
                           {.name = "user.mime", .value = "text/plain"}};
    tar.add_file(script, as_bytes("#!/bin/sh\n"));
    tar.add_file("./usr/name", as_bytes("content"));
    tar.add(hard_link("./usr/other-name", "./usr/name"));
    TarEntry link = tar_entry(FileType::symlink, "./usr/link");
    link.entry.link_target = "../" + std::string(200, 'x');
    tar.add(link);
    TarEntry character = tar_entry(FileType::character, "./null");
    character.entry.device_major = 1;
    character.entry.device_minor = 3;
    tar.add(character);
    TarEntry block = tar_entry(FileType::block, "./disk");
    block.entry.device_major = 259;
    block.entry.device_minor = 70'000;
    tar.add(block);
    tar.add(tar_entry(FileType::fifo, "./pipe"));
    TarEntry old = tar_entry(FileType::regular, "./old");
    old.entry.mtime_s = -1;
    tar.add_file(old, {});
    TarEntry ageless = tar_entry(FileType::regular, "./ageless");
    ageless.entry.mtime_s = 0;
    tar.add_file(ageless, as_bytes("0"));
    tar.add_file("./" + std::string(150, 'd') + "/" + std::string(150, 'f'), text_bytes(9000, 1));
    tar.add_file("./grün \"quoted\"\t<&>", as_bytes("odd name"));
    tar.add_file("./usr/.wh.gone", {});
    tar.add_directory("./hidden/");
    tar.add_file("./hidden/.wh..wh..opq", {});
    return tar.finish();
}

}  // namespace lazybuild::codec::test
