#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry behind a bad line.

    registry_proxy.py PORT UPSTREAM_PORT DIRECTORY [--rtt-ms N] [--mbit N] [--auth USER:PASSWORD]

Passes HTTP requests on to a registry on this machine and
  - notes each one in DIRECTORY/proxied.jsonl: begin and end (seconds), method, path, status, bytes sent and received;
  - makes it a link: every answer comes a round trip late (and a connection costs one more), all bodies together, each
    way, go at so many megabits a second;
  - asks for a bearer token, which DIRECTORY/expire (removed when seen) ends, as an hour would;
  - injects faults, which DIRECTORY/faults.json lists and may change at any time:
      {"method": "GET", "path": "regular expression", "skip": 2, "times": 1, "do": …}
    beginning after `skip` such requests (0), for `times` of them (all): "do" is one of
      "status" with "status": 503      answered so, upstream is not asked
      "cut" with "bytes": N            the connection ends after so many bytes of the answer's body
      "corrupt" with "offset": N       that byte of the body is another one
      "stall"                          no answer until the client goes away
      "close"                          the connection ends without an answer
      "expire"                         all tokens end with this request
"""

import argparse
import base64
import http.client
import http.server
import json
import os
import re
import socketserver
import threading
import time

PIECE = 64 << 10
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}


class Link:
    """One direction of a line: what is sent on it waits until what was sent before has gone."""

    def __init__(self, mbit):
        self.seconds_a_byte = 8 / (mbit * 1e6) if mbit else 0
        self.free_at = 0.0
        self.lock = threading.Lock()

    def carry(self, count):
        if not self.seconds_a_byte:
            return
        with self.lock:
            now = time.monotonic()
            self.free_at = max(self.free_at, now) + count * self.seconds_a_byte
            wait = self.free_at - now
        time.sleep(wait)


class Faults:
    """The rules of faults.json, with what each has matched."""

    def __init__(self, path):
        self.path, self.stamp, self.rules, self.seen = path, None, [], []
        self.lock = threading.Lock()

    def find(self, method, path):
        with self.lock:
            self.read()
            for number, rule in enumerate(self.rules):
                if rule.get("method", method) != method or not re.search(rule.get("path", ""), path):
                    continue
                self.seen[number] += 1
                after = self.seen[number] - rule.get("skip", 0)
                if 0 < after <= rule.get("times", after):
                    return rule
        return {}

    def read(self):
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self.stamp, self.rules = None, []
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self.stamp:
            with open(self.path, encoding="utf-8") as file:
                self.rules = json.load(file)
            self.seen = [0] * len(self.rules)
            self.stamp = stamp


class Tokens:
    def __init__(self, account, expire_path):
        self.account, self.expire_path = account, expire_path
        self.lock = threading.Lock()
        self.count, self.first_valid = 0, 0

    def issue(self, authorization):
        expected = "Basic " + base64.b64encode(self.account.encode()).decode()
        with self.lock:
            if authorization != expected:
                return None
            self.count += 1
            return f"token-{self.count}"

    def expire(self):
        with self.lock:
            self.first_valid = self.count + 1

    def valid(self, authorization):
        if not self.account:
            return True
        if os.path.exists(self.expire_path):
            os.unlink(self.expire_path)
            self.expire()
        prefix = "Bearer token-"
        return authorization.startswith(prefix) and int(authorization[len(prefix) :]) >= self.first_valid


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, arguments):
        super().__init__(("127.0.0.1", arguments.port), Handler)
        self.upstream_port = arguments.upstream_port
        self.rtt = arguments.rtt_ms / 1000
        self.down, self.up = Link(arguments.mbit), Link(arguments.mbit)
        self.faults = Faults(os.path.join(arguments.directory, "faults.json"))
        self.tokens = Tokens(arguments.auth, os.path.join(arguments.directory, "expire"))
        self.log_lock = threading.Lock()
        self.log_file = open(os.path.join(arguments.directory, "proxied.jsonl"), "a", encoding="utf-8")

    def note(self, entry):
        with self.log_lock:
            self.log_file.write(json.dumps(entry) + "\n")
            self.log_file.flush()

    def handle_error(self, request, client_address):
        pass  # a client that went away, or a fault that was asked for


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    default_request_version = "HTTP/1.0"  # who tries TLS first has to see that this is HTTP

    def setup(self):
        super().setup()
        self.upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=60)
        time.sleep(self.server.rtt)

    def finish(self):
        self.upstream.close()
        super().finish()

    def log_message(self, *_):
        pass

    def handle_any(self):
        begin, self.sent, self.received, status = time.monotonic(), 0, 0, 0
        fault = self.server.faults.find(self.command, self.path)
        try:
            status = self.answer(fault)
        finally:
            self.server.note(
                {
                    "begin": begin,
                    "end": time.monotonic(),
                    "method": self.command,
                    "path": self.path,
                    "status": status,
                    "sent": self.sent,
                    "received": self.received,
                    "fault": fault.get("do", ""),
                }
            )

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def answer(self, fault):
        time.sleep(self.server.rtt)
        what = fault.get("do", "")
        if what in ("close", "stall"):
            while what == "stall" and self.connection.recv(PIECE):
                pass
            self.close_connection = True
            return 0
        if what == "expire":
            self.server.tokens.expire()
        body = self.read_body()
        if what == "status":
            return self.reply(fault["status"], b'{"errors":[{"code":"FAULT","message":"injected"}]}')
        if self.path.startswith("/token"):
            return self.give_token()
        if not self.server.tokens.valid(self.headers.get("Authorization", "")):
            realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="proxy"'
            return self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": realm})
        return self.pass_on(body, fault)

    def give_token(self):
        token = self.server.tokens.issue(self.headers.get("Authorization", ""))
        if token is None:
            return self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        return self.reply(200, json.dumps({"token": token, "expires_in": 3600}).encode())

    def reply(self, status, body, fields=None):
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_body(body if self.command != "HEAD" else b"")
        return status

    def send_body(self, piece):
        self.server.down.carry(len(piece))
        self.wfile.write(piece)
        self.sent += len(piece)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.take(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body
        return self.take(int(self.headers.get("Content-Length", 0)))

    def take(self, size):
        pieces = []
        while size:
            piece = self.rfile.read(min(size, PIECE))
            if not piece:
                raise ConnectionError("the client has gone")
            self.server.up.carry(len(piece))
            self.received += len(piece)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def pass_on(self, body, fault):
        self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP | {"authorization", "content-length"}:
                self.upstream.putheader(name, value)
        self.upstream.putheader("Content-Length", str(len(body)))
        self.upstream.endheaders(body)
        answer = self.upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        has_length = answer.getheader("Content-Length") is not None or answer.status == 204
        if not has_length and self.command != "HEAD":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.send_answer(answer, fault)
        return answer.status

    def send_answer(self, answer, fault):
        cut = fault["bytes"] if fault.get("do") == "cut" else None
        flip = fault["offset"] if fault.get("do") == "corrupt" else None
        while piece := answer.read(PIECE):
            if flip is not None and self.sent <= flip < self.sent + len(piece):
                at = flip - self.sent
                piece = piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]
            if cut is not None and self.sent + len(piece) >= cut:
                self.send_body(piece[: cut - self.sent])
                self.close_connection = True
                self.upstream.close()
                return
            self.send_body(piece)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("upstream_port", type=int)
    parser.add_argument("directory")
    parser.add_argument("--rtt-ms", type=float, default=0)
    parser.add_argument("--mbit", type=float, default=0)
    parser.add_argument("--auth", default="")
    Server(parser.parse_args()).serve_forever()


if __name__ == "__main__":
    main()
