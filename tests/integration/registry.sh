# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A real docker-registry on a free loopback port, and what its access log says about who fetched what.

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# registry_start: sets $REGISTRY. A second call after registry_stop keeps the port and the content.
registry_start() {
    REGISTRY=${REGISTRY:-127.0.0.1:$(free_port)}
    serve_registry "$WORK/registry" "$REGISTRY"
    REGISTRY_PID=$!
    wait_until 15 curl -fsS "http://$REGISTRY/v2/" || fail "docker-registry did not start: see $WORK/registry.log"
}

# other_registry_start: sets $OTHER_REGISTRY, another one with content of its own.
other_registry_start() {
    OTHER_REGISTRY=${OTHER_REGISTRY:-127.0.0.1:$(free_port)}
    serve_registry "$WORK/other-registry" "$OTHER_REGISTRY"
    OTHER_REGISTRY_PID=$!
    wait_until 15 curl -fsS "http://$OTHER_REGISTRY/v2/" || fail "docker-registry did not start: see its log in $WORK"
}

# serve_registry DIRECTORY ADDRESS: in the background; its access log is DIRECTORY.log.
serve_registry() {
    mkdir -p "$1"
    cat >"$1.yml" <<CONFIG
version: 0.1
log: {level: info, formatter: json, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $1}
  delete: {enabled: true}
http: {addr: $2}
CONFIG
    docker-registry serve "$1.yml" >>"$1.log" 2>&1 &
}

registry_stop() {
    [ -n "${REGISTRY_PID:-}" ] || return 0
    stop_process "$REGISTRY_PID"
    REGISTRY_PID=
}

other_registry_stop() {
    [ -n "${OTHER_REGISTRY_PID:-}" ] || return 0
    stop_process "$OTHER_REGISTRY_PID"
    OTHER_REGISTRY_PID=
}

# push LAYOUT TAG REPOSITORY:TAG: puts an image of an OCI layout into the registry, as it is.
push() {
    skopeo copy --quiet --preserve-digests --dest-tls-verify=false "oci:$1:$2" "docker://$REGISTRY/$3"
}

# requests [JQ FILTER]: the answered requests as JSON lines: method, uri, status, bytes, agent.
requests() {
    jq -c -R 'fromjson? | select(.msg == "response completed" or .msg == "response completed with error")
        | {method: ."http.request.method", uri: ."http.request.uri", status: ."http.response.status",
           bytes: (."http.response.written" // 0), agent: ."http.request.useragent"}
        | select('"${1:-true}"')' "$WORK/registry.log"
}

# bytes_served: the sum of all response bodies so far; an answer under way counts when it is done.
bytes_served() {
    requests | jq -s 'map(.bytes) | add // 0'
}

# forget_requests: the next figures begin here.
forget_requests() {
    : >"$WORK/registry.log"
}

# blob_file DIGEST: where the registry keeps a blob, for tests that damage it.
blob_file() {
    local hex=${1#sha256:}
    printf '%s/registry/docker/registry/v2/blobs/sha256/%s/%s/data\n' "$WORK" "${hex:0:2}" "$hex"
}

# manifest REPOSITORY:TAG: an image's manifest as JSON.
manifest() {
    skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/$1"
}

# compressed_bytes REPOSITORY:TAG: the size of all layers as they are fetched.
compressed_bytes() {
    manifest "$1" | jq '[.layers[].size] | add'
}

# proxy_start: $PROXY, the registry by way of a proxy that stalls while there is a file $WORK/stall.
proxy_start() {
    PROXY=127.0.0.1:$(free_port)
    "$INTEGRATION/stalling_proxy.py" "${PROXY#*:}" "${REGISTRY#*:}" "$WORK" 2>>"$WORK/proxy.log" &
    PROXY_PID=$!
    wait_until 15 curl -fsS "http://$PROXY/v2/" || fail "the proxy did not start: see $WORK/proxy.log"
}

proxy_stop() {
    [ -n "${PROXY_PID:-}" ] || return 0
    stop_process "$PROXY_PID"
    PROXY_PID=
}

# link_start FLAGS…: $LINK, the registry by way of registry_proxy.py with these flags; what it does is in $LINKED.
link_start() {
    LINK=127.0.0.1:$(free_port)
    LINKED=$WORK/link
    mkdir -p "$LINKED"
    "$INTEGRATION/registry_proxy.py" "${LINK#*:}" "${REGISTRY#*:}" "$LINKED" "$@" 2>>"$WORK/link.log" &
    LINK_PID=$!
    wait_until 15 curl -sS "http://$LINK/v2/" || fail "the proxy did not start: see $WORK/link.log"
}

link_stop() {
    [ -n "${LINK_PID:-}" ] || return 0
    stop_process "$LINK_PID"
    LINK_PID=
}

# linked [JQ FILTER]: requests that went over the link, as JSON lines: begin, end, method, path, status, sent, received.
linked() {
    jq -c "select(${1:-true})" "$LINKED/proxied.jsonl"
}

# forget_linked: the next figures begin here.
forget_linked() {
    : >"$LINKED/proxied.jsonl"
}

# inject JSON: the faults of the link from now on; [] for none.
inject() {
    printf '%s\n' "$1" >"$LINKED/faults.new"
    mv "$LINKED/faults.new" "$LINKED/faults.json"
}
