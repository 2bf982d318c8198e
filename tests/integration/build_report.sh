#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The report of a build is one page that a browser shows without asking anybody for anything; what an image or a
# Dockerfile says in it is text, never markup.
. "$(dirname "$0")/lib.sh"
harness_start
command -v chromium >/dev/null || skip "no chromium: there is no browser to show the report"
"$SOURCE/tests/builder/base_image.py" "$WORK/base"
mkdir "$WORK/context"
cat >"$WORK/context/Dockerfile" <<'DOCKERFILE'
FROM base AS one
RUN echo "<script>document.title = 'taken over'</script>" >/one
RUN echo '</svg><img src="http://127.0.0.1:9/x" onerror="document.title = 1">' >/two
FROM scratch
COPY --from=one /one /two /
DOCKERFILE

build() {
    build_or_fail --build-context "base=oci-layout://$WORK/base:latest" --report "$WORK/report.html" \
        -o type=cacheonly "$WORK/context"
}

# shown: the page as the browser has it after it has run whatever it runs.
shown() {
    timeout 100 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$WORK/browser" \
        --virtual-time-budget=2000 --dump-dom "file://$WORK/report.html" 2>"$WORK/chromium.log" ||
        fail "chromium: $(tail -n 3 "$WORK/chromium.log")"
}

build
shown >"$WORK/first.html"
grep -q '<title>lazybuild build' "$WORK/first.html" || fail "the title is $(grep -o '<title>[^<]*' "$WORK/first.html")"
expect_equal "markup from the Dockerfile" "" "$(grep -oE '<(img|script)[^>]*' "$WORK/first.html" || true)"
expect_equal "steps" 3 "$(grep -oE '\[(one|stage-1) [0-9]/[0-9]\]' "$WORK/first.html" | sort -u | wc -l)"
build
shown >"$WORK/second.html"
[ "$(grep -o '>cached<' "$WORK/second.html" | wc -l)" -ge 3 ] || fail "the second build's report shows no cached steps"
