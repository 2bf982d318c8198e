#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A restart of containerd, and of the daemon between containers, loses nothing: neither with the layers half
# here, nor with all of them here and no registry.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image
lazy_pull python:lazy
expect_equal "output before any restart" 1 "$(import_numpy lazy python:lazy)"

containerd_stop
containerd_start
expect_equal "output after a restart of containerd" 1 "$(import_numpy lazy python:lazy)"

snapshotter_stop
snapshotter_start
expect_equal "output after a restart of the daemon" 1 "$(import_numpy lazy python:lazy)"

wait_for_fill 3
registry_stop
snapshotter_stop
containerd_stop
snapshotter_start
containerd_start
drop_caches
expect_equal "output without a registry, after a restart of both" 1 "$(import_numpy lazy python:lazy)"
expect_equal "the image after the restarts" "$REGISTRY/python:lazy" "$(c image list --quiet)"
