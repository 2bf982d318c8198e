#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is installed is what systemd accepts: every unit is understood to the last line, its program is there and runs,
# and nothing in it would hide our mounts from containerd or make systemd give up.
. "$(dirname "$0")/lib.sh"
command -v systemd-analyze >/dev/null || skip "needs systemd-analyze (package systemd)"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
build=$(cd "$(dirname "$LAZYBUILD")/../.." && pwd)
DESTDIR=$tree cmake --install "$build" >"$tree/install.log" || fail "cmake --install: $(cat "$tree/install.log")"

mapfile -t units < <(find "$tree" -path '*/systemd/system/*' -type f | sort)
# As many as there are in the source: one that is not installed would not be looked at.
sources=$(find "$SOURCE/systemd" -name '*.service.in' -o -name '*.socket*' | wc -l)
expect_equal "installed units" "$sources" "${#units[@]}"
expect_equal "the daemon's unit among them" 1 "$(printf '%s\n' "${units[@]}" | grep -c '/lazy-snapshotter.service$')"

# Directives by which a service gets a mount namespace of its own (systemd.exec(5)).
private_mounts='Protect(System|Home|KernelTunables|KernelModules|KernelLogs|ControlGroups|Proc)|ProcSubset|DynamicUser'
private_mounts+='|Private(Tmp|Devices|Mounts|Users|Network|IPC)|(ReadOnly|ReadWrite|Inaccessible|NoExec|Exec)Paths|LogNamespace'
private_mounts+='|Bind(ReadOnly)?Paths|TemporaryFileSystem|Root(Directory|Image|Hash|Verity)|(Mount|Extension)Images'
private_mounts+='|ExtensionDirectories|MountAPIVFS|MountFlags|JoinsNamespaceOf|PrivatePIDs|(Load|Set)Credential(Encrypted)?'

for unit in "${units[@]}"; do
    name=$(basename "$unit")
    ! grep -nE "^($private_mounts) *=" "$unit" || fail "$name: this gives it a mount namespace of its own"
    if [[ $name == *.service ]]; then
        limit=$(sed -n '/^\[Unit\]/,/^\[Service\]/s/^StartLimitIntervalSec=//p' "$unit")
        expect_equal "$name: StartLimitIntervalSec" 0 "$limit"
        expect_equal "$name: Type" notify "$(sed -n 's/^Type=//p' "$unit")"
        expect_equal "$name: Restart" always "$(sed -n 's/^Restart=//p' "$unit")"
        program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
        "$tree$program" --version >/dev/null || fail "$name: $program --version"
        # systemd-analyze looks for programs where they will be; here they are below $tree.
        sed -i "s|^ExecStart=|&$tree|" "$unit"
    fi
done
complaints=$(systemd-analyze verify "${units[@]}" 2>&1) || fail "systemd-analyze verify: $complaints"
[ -z "$complaints" ] || fail "systemd-analyze verify: $complaints"
