#!/usr/bin/python3
"""Asks a web server at a steady rate over one connection until it is ended; then prints how often
which status came: {"200": 7000}.  load.py ADDRESS PORT RATE"""

import collections
import json
import signal
import socket
import sys
import time

STEP_S = 0.02


def answer(f):
    """The status of the next answer, None at the end of the connection."""
    line = f.readline()
    if not line:
        return None
    length = 0
    while True:
        head = f.readline().strip().lower()
        if not head:
            break
        if head.startswith(b"content-length:"):
            length = int(head.split(b":")[1])
    f.read(length)
    return line.split()[1].decode()


def main(address, port, rate):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    seen, i, s = collections.Counter(), 0, None
    due = time.monotonic()
    try:
        while True:
            for _ in range(max(1, round(rate * STEP_S))):
                if s is None:
                    s = socket.create_connection((address, port), 5)
                    f = s.makefile("rb")
                s.sendall(b"GET /?i=%d HTTP/1.1\r\nHost: www.example\r\n\r\n" % i)
                i += 1
                status = answer(f)
                seen[status or "closed"] += 1
                if status is None:
                    s = None
            due = max(due + STEP_S, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
    finally:
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
