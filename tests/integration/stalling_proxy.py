#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy whose upstream can be made to stall: stalling_proxy.py LISTEN_PORT UPSTREAM_PORT DIRECTORY.

While there is a file DIRECTORY/stall, nothing that the upstream says is passed on, on any connection; the client
sees a registry that accepts and says no more. While there is a file DIRECTORY/slow, 64 KiB pass every 10 ms.
"""

import os
import socket
import sys
import threading
import time


def pump(source, sink, hold):
    try:
        while piece := source.recv(65536):
            hold()
            sink.sendall(piece)
    except OSError:
        pass  # one side has gone; so does the other
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main(listen_port, upstream_port, directory):
    stall, slow = os.path.join(directory, "stall"), os.path.join(directory, "slow")

    def hold():
        while os.path.exists(stall):
            time.sleep(0.02)
        if os.path.exists(slow):
            time.sleep(0.01)

    listener = socket.create_server(("127.0.0.1", int(listen_port)), backlog=1024)
    while True:
        client, _ = listener.accept()
        upstream = socket.create_connection(("127.0.0.1", int(upstream_port)))
        for source, sink, waits in ((client, upstream, lambda: None), (upstream, client, hold)):
            threading.Thread(target=pump, args=(source, sink, waits), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
