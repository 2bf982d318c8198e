#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The fixture of the other tests: builds the Python image once, so that its time is no test's time.
. "$(dirname "$0")/lib.sh"
harness_start

layout=$(python_image)
expect_equal "layers" 3 "$(skopeo inspect --raw "oci:$layout:plain" | jq '.layers | length')"

registry_start
containerd_start
push "$layout" plain python:plain
full_pull python:plain
expect_equal "output through containerd's overlayfs" 1 "$(import_numpy overlayfs python:plain)"
