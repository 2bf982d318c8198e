# SPDX-License-Identifier: Apache-2.0
# The few shapes of target that this project has, so that each folder's CMakeLists is a list of files.

add_library(lazybuild_warnings INTERFACE)
target_compile_options(lazybuild_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wimplicit-fallthrough
    # Options are structs whose members have defaults; naming the others is their point.
    -Wno-missing-designated-field-initializers)

# lazybuild_library(NAME codec SOURCES a.cc … HEADERS a.h … DEPENDS lazybuild::base … [PRIVATE_DEPENDS …])
function(lazybuild_library)
    cmake_parse_arguments(ARG "" "NAME" "SOURCES;HEADERS;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
    set(target lazybuild_${ARG_NAME})
    add_library(${target} STATIC ${ARG_SOURCES})
    add_library(lazybuild::${ARG_NAME} ALIAS ${target})
    target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${ARG_HEADERS})
    target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} PRIVATE lazybuild_warnings ${ARG_PRIVATE_DEPENDS})
endfunction()

# lazybuild_program(NAME lazybuild SOURCES main.cc DEPENDS …): an installed executable.
function(lazybuild_program)
    cmake_parse_arguments(ARG "" "NAME" "SOURCES;DEPENDS" ${ARGN})
    add_executable(${ARG_NAME} ${ARG_SOURCES})
    target_link_libraries(${ARG_NAME} PRIVATE lazybuild_warnings ${ARG_DEPENDS})
    install(TARGETS ${ARG_NAME} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# What nearly every test includes is read once, for the first of them: that takes a third of the time of all others away.
function(lazybuild_precompile_test_headers target)
    get_property(first GLOBAL PROPERTY lazybuild_first_test)
    if(first)
        target_precompile_headers(${target} REUSE_FROM ${first})
        return()
    endif()
    set_property(GLOBAL PROPERTY lazybuild_first_test ${target})
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # for ccache
    target_precompile_headers(${target} PRIVATE <gtest/gtest.h> <fmt/format.h> <algorithm> <atomic> <chrono> <coroutine>
        <cstdint> <deque> <expected> <filesystem> <functional> <future> <map> <memory> <mutex> <optional> <set> <span>
        <string> <string_view> <thread> <utility> <variant> <vector>)
endfunction()


# lazybuild_add_test(NAME codec_tar KIND unit SOURCES … DEPENDS … [LABELS root slow])
#   unit         a gtest program
#   integration  a script in tests/integration; exit 77 is a skip, and prints why
#   fuzz         a libFuzzer target; a plain build replays tests/fuzz/corpus/NAME through it
function(lazybuild_add_test)
    cmake_parse_arguments(ARG "" "NAME;KIND;TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    if(ARG_KIND STREQUAL "integration")
        add_test(NAME ${ARG_NAME} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SOURCES})
        set_tests_properties(${ARG_NAME} PROPERTIES
            ENVIRONMENT "LAZYBUILD_BIN=$<TARGET_FILE_DIR:lazybuild>;LAZY_SNAPSHOTTER_BIN=$<TARGET_FILE_DIR:lazy-snapshotter>;LAZY_KEEPER_BIN=$<TARGET_FILE_DIR:lazy-keeper>")
    elseif(ARG_KIND STREQUAL "fuzz")
        add_executable(fuzz_${ARG_NAME} ${ARG_SOURCES})
        target_link_libraries(fuzz_${ARG_NAME} PRIVATE lazybuild_warnings ${ARG_DEPENDS})
        set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${ARG_NAME})
        if(LAZYBUILD_FUZZ)
            target_link_options(fuzz_${ARG_NAME} PRIVATE -fsanitize=fuzzer)
            add_test(NAME fuzz_${ARG_NAME} COMMAND fuzz_${ARG_NAME} -runs=0 ${corpus})
        else()
            target_sources(fuzz_${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
            add_test(NAME fuzz_${ARG_NAME} COMMAND fuzz_${ARG_NAME} ${corpus})
        endif()
        set(ARG_NAME fuzz_${ARG_NAME})
    else()
        add_executable(test_${ARG_NAME} ${ARG_SOURCES})
        target_link_libraries(test_${ARG_NAME} PRIVATE lazybuild_warnings GTest::gtest_main ${ARG_DEPENDS})
        # What a test is made of is compiled more often than it is run: this halves its time with the compiler.
        target_compile_options(test_${ARG_NAME} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
        lazybuild_precompile_test_headers(test_${ARG_NAME})
        add_test(NAME ${ARG_NAME} COMMAND test_${ARG_NAME})
    endif()
    set_tests_properties(${ARG_NAME} PROPERTIES LABELS "${ARG_KIND};${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
        SKIP_RETURN_CODE 77)
    # What mounts has the kernel to itself: hundreds of readers at a time starve a neighbour.
    if("root" IN_LIST ARG_LABELS)
        set_tests_properties(${ARG_NAME} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# lazybuild_bench(NAME digest_bench SOURCES … DEPENDS … [THROUGH read_bench.sh] [LABELS root]): a Google Benchmark
# program with its own main(); THROUGH, a script that prepares what it is run on.
# Where tests are built too, it is one: it runs for a moment, so that it stays alive. Its figures are then noise.
function(lazybuild_bench)
    cmake_parse_arguments(ARG "" "NAME;THROUGH" "SOURCES;DEPENDS;LABELS" ${ARGN})
    add_executable(${ARG_NAME} ${ARG_SOURCES})
    target_link_libraries(${ARG_NAME} PRIVATE lazybuild_warnings benchmark::benchmark ${ARG_DEPENDS})
    if(BUILD_TESTING)
        if(ARG_THROUGH)
            set(ARG_THROUGH ${PROJECT_SOURCE_DIR}/bench/${ARG_THROUGH})
        endif()
        add_test(NAME ${ARG_NAME}
            COMMAND ${PROJECT_SOURCE_DIR}/bench/keep_alive.sh ${ARG_THROUGH} $<TARGET_FILE:${ARG_NAME}>)
        set_tests_properties(${ARG_NAME} PROPERTIES LABELS "bench;${ARG_LABELS}" TIMEOUT 120 SKIP_RETURN_CODE 77)
        if(ARG_THROUGH)
            set_tests_properties(${ARG_NAME} PROPERTIES FIXTURES_REQUIRED python_image ENVIRONMENT
                "LAZYBUILD_BIN=$<TARGET_FILE_DIR:lazybuild>;LAZY_SNAPSHOTTER_BIN=$<TARGET_FILE_DIR:lazy-snapshotter>")
        endif()
        if("root" IN_LIST ARG_LABELS)
            set_tests_properties(${ARG_NAME} PROPERTIES RUN_SERIAL ON)
        endif()
    endif()
endfunction()
