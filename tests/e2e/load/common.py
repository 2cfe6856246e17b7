"""What the programs of this folder share: a small world, queries in bytes, connections from any address."""

import json
import os
import resource
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

SLOW = bool(os.environ.get("MERIDIAN_E2E_SLOW"))
NAME, ADDRESS = "www.gslb.example", "203.0.113.1"
STEADY = ("127.32.0.0", 500)  # the first /24 of the clients that must not suffer, and how many


def base_world(t):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=127.0.0.1")
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("service add %s --policy failover --ttl 30" % NAME)
    t.meridian("endpoint add %s eu %s" % (NAME, ADDRESS))


def query(number):
    q = b"".join(bytes([len(x)]) + x.encode() for x in NAME.split(".")) + b"\0" + struct.pack("!HH", 1, 1)
    return struct.pack("!HHHHHH", number & 0xffff, 0, 1, 0, 0, 0) + q


def frame(number):
    q = query(number)
    return struct.pack("!H", len(q)) + q


def counters(d):
    return d.status()["counters"]


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connect(source, receive_buffer=None):
    v6 = ":" in source
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.bind((source, 0))
    s.settimeout(10)
    s.connect(("::1" if v6 else "127.0.0.1", 53))
    return s


def is_served(s):
    """Asks; whether an answer comes before the connection ends."""
    try:
        s.sendall(frame(7))
        head = s.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            return False
        rest = struct.unpack("!H", head[:2])[0] - 2
        return head[2:] == struct.pack("!H", 7) and len(s.recv(rest, socket.MSG_WAITALL)) == rest
    except ConnectionError:
        return False


class Storm:
    """The load program in the background."""

    def __init__(self, mode, networks, seconds, rate):
        program = os.path.join(lab.BUILD, "tests", "e2e", "load", "e2e_storm")
        argv = [program, mode, "53", NAME, networks[0], str(networks[1]), "%.2f" % seconds, "%.0f" % rate]
        self.popen = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def result(self):
        out, _ = self.popen.communicate(timeout=200)
        assert self.popen.returncode == 0, "the load program failed"
        return json.loads(out)


def processors():
    """One for the server, the others for clients."""
    cpus = sorted(os.sched_getaffinity(0))
    return ({cpus[0]}, set(cpus[1:])) if len(cpus) > 1 else (set(cpus), set(cpus))


def pinned_daemon(t):
    """A daemon on a processor of its own, its clients on the others; both go before other people's work."""
    server, clients = processors()
    os.sched_setaffinity(0, server)
    if os.getpgrp() != os.getpid():
        os.setsid()
    lab.prefer(os.getpid())
    d = t.daemon()
    lab.prefer(d.pid)
    os.sched_setaffinity(0, clients)
    return d
