# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A real docker-registry on a free loopback port, and what its access log says about who fetched what.

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# registry_start: sets $REGISTRY. A second call after registry_stop keeps the port and the content.
registry_start() {
    REGISTRY=${REGISTRY:-127.0.0.1:$(free_port)}
    mkdir -p "$WORK/registry"
    cat >"$WORK/registry.yml" <<CONFIG
version: 0.1
log: {level: info, formatter: json, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $WORK/registry}
  delete: {enabled: true}
http: {addr: $REGISTRY}
CONFIG
    docker-registry serve "$WORK/registry.yml" >>"$WORK/registry.log" 2>&1 &
    REGISTRY_PID=$!
    wait_until 15 curl -fsS "http://$REGISTRY/v2/" || fail "docker-registry did not start: see $WORK/registry.log"
}

registry_stop() {
    [ -n "${REGISTRY_PID:-}" ] || return 0
    stop_process "$REGISTRY_PID"
    REGISTRY_PID=
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
