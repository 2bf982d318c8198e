// SPDX-License-Identifier: Apache-2.0
// The trampoline. One slot per thread is enough: between the moment a coroutine names its successor
// and the moment run_chain takes it, only that coroutine's own await_suspend runs.
// These two are out of line on purpose, so that no coroutine holds the address of a thread's
// variable across a suspension.
#include "snapshotter/io/task.h"

namespace lazybuild::io::detail {
namespace {

thread_local std::coroutine_handle<> next_coroutine;
thread_local bool chain_is_running = false;

}  // namespace

void hand_over_to(std::coroutine_handle<> next) {
    ASSERT(chain_is_running && next && !next_coroutine);
    next_coroutine = next;
}

void run_chain(std::coroutine_handle<> first) {
    ASSERT(!chain_is_running && first);
    chain_is_running = true;
    std::coroutine_handle<> current = first;
    while (current) {
        current.resume();
        current = std::exchange(next_coroutine, {});
    }
    chain_is_running = false;
}

}  // namespace lazybuild::io::detail
