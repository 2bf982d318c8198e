# SPDX-License-Identifier: Apache-2.0
# containerd's API as a library, lazybuild::containerd_api: messages, stubs and service bases of the
# services named below, generated into the build directory from the .proto files that Debian's
# golang-github-containerd-containerd-dev installs. Include them as
#   "github.com/containerd/containerd/api/services/snapshots/v1/snapshots.grpc.pb.h"
#
# The files import gogoproto, which protoc outside of Go has not got, and use it only for Go names
# and types. Dropping those lines and options changes nothing on the wire.

set(LAZYBUILD_PROTO_ROOT /usr/share/gocode/src CACHE PATH "Where github.com/containerd/containerd/api is")
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

set(containerd_api github.com/containerd/containerd/api)
set(containerd_types types/descriptor types/mount)
set(containerd_services
    services/content/v1/content
    services/diff/v1/diff
    services/images/v1/images
    services/leases/v1/leases
    services/namespaces/v1/namespace
    services/snapshots/v1/snapshots
    services/version/v1/version)

set(proto_source ${CMAKE_BINARY_DIR}/containerd_api/proto)
set(proto_output ${CMAKE_BINARY_DIR}/containerd_api/generated)
file(MAKE_DIRECTORY ${proto_output})

set(containerd_sources)
foreach(name IN LISTS containerd_types containerd_services)
    set(path ${containerd_api}/${name})
    set(original ${LAZYBUILD_PROTO_ROOT}/${path}.proto)
    if(NOT EXISTS ${original})
        message(FATAL_ERROR "${original} is missing: install golang-github-containerd-containerd-dev")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
    file(READ ${original} text)
    string(REGEX REPLACE "[^\n]*gogoproto/gogo\\.proto[^\n]*\n" "" text "${text}")
    string(REGEX REPLACE "[^\n]*option *\\(gogoproto[^\n]*\n" "" text "${text}")
    string(REGEX REPLACE "[ \t]*\\[\\(gogoproto[^]]*\\]" "" text "${text}")
    # containerd 2.2 added the parent of a commit; messages of older clients have no such field, and
    # mean the same without it.
    if(name STREQUAL "services/snapshots/v1/snapshots" AND
            NOT text MATCHES "message CommitSnapshotRequest {[^}]*[ \t]parent *= *5;")
        string(REGEX REPLACE "(message CommitSnapshotRequest {[^}]*)}" "\\1\n\tstring parent = 5;\n}" text "${text}")
    endif()
    # Written only when it differs, so that a new configure does not rebuild everything.
    set(before "")
    if(EXISTS ${proto_source}/${path}.proto)
        file(READ ${proto_source}/${path}.proto before)
    endif()
    if(NOT text STREQUAL before)
        file(WRITE ${proto_source}/${path}.proto "${text}")
    endif()

    set(generated ${proto_output}/${path}.pb.cc ${proto_output}/${path}.pb.h)
    set(arguments --cpp_out=${proto_output})
    if(name IN_LIST containerd_services)
        list(APPEND generated ${proto_output}/${path}.grpc.pb.cc ${proto_output}/${path}.grpc.pb.h)
        list(APPEND arguments --grpc_out=${proto_output} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
    endif()
    add_custom_command(OUTPUT ${generated}
        COMMAND ${PROTOC} -I ${proto_source} ${arguments} ${path}.proto
        DEPENDS ${proto_source}/${path}.proto
        COMMENT "protoc ${path}.proto" VERBATIM)
    list(APPEND containerd_sources ${generated})
endforeach()

add_library(lazybuild_containerd_api STATIC ${containerd_sources})
add_library(lazybuild::containerd_api ALIAS lazybuild_containerd_api)
target_include_directories(lazybuild_containerd_api SYSTEM PUBLIC ${proto_output})
target_link_libraries(lazybuild_containerd_api PUBLIC PkgConfig::grpc)
target_compile_options(lazybuild_containerd_api PRIVATE -w)
