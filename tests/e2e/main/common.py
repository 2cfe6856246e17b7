"""What the programs of this folder share: worlds, and asking many clients fast."""

import atexit
import dns.edns
import dns.message
import dns.rdatatype
import json
import os
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

GEO_DIR = os.environ.get("MERIDIAN_GEOIP_DIR", os.path.join(lab.SOURCE, "..", "shared", "geoip"))
ZONE = "gslb.example"


def city_database():
    """MaxMind's City test database where it is, else None."""
    path = os.path.join(GEO_DIR, "GeoIP2-City-Test.mmdb")
    return path if os.path.exists(path) else None


def base_world(t, zone=ZONE):
    t.meridian("init")
    t.meridian("zone add %s --ns ns1.%s=127.0.0.1" % (zone, zone))


def query_bytes(name, subnet=None, number=1):
    """One A query; subnet is the three octets of a /24."""
    q = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0" + struct.pack("!HH", 1, 1)
    option = struct.pack("!HHHBB", 8, 7, 1, 24, 0) + subnet if subnet else b""
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option
    return struct.pack("!HHHHHH", number & 0xffff, 0, 1, 0, 0, 1) + q + opt


def first_address(answer, name):
    """The first A record's address, "" without one."""
    at = 12 + len(name) + 2 + 4
    if struct.unpack("!H", answer[6:8])[0] == 0:
        return ""
    assert answer[at:at + 4] == b"\xc0\x0c\x00\x01", "an A record first"
    return socket.inet_ntoa(answer[at + 12:at + 16])


def ask_many(name, subnets, server="127.0.0.1", port=53):
    """The address that each of these /24s gets, in their order."""
    out = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((server, port))
        s.settimeout(5)
        for i, subnet in enumerate(subnets):
            s.send(query_bytes(name, subnet, i))
            while True:
                answer = s.recv(2048)
                if struct.unpack("!H", answer[:2])[0] == i & 0xffff:
                    break
            out.append(first_address(answer, name))
    return out


def networks(first_octet, n):
    return [bytes([first_octet, i >> 8, i & 255]) for i in range(n)]


class Load:
    """The load program in the background."""

    def __init__(self, qps, seconds, name, subnets=0, server="127.0.0.1", port=53):
        program = os.path.join(lab.BUILD, "tests", "e2e", "main", "e2e_load")
        self.popen = subprocess.Popen([program, server, str(port), str(qps), str(seconds), name, str(subnets)],
                                      stdout=subprocess.PIPE, text=True, start_new_session=True)
        atexit.register(self.popen.kill)

    def end(self):
        """Before its time; result() says what was until now."""
        self.popen.terminate()

    def result(self, seconds=120):
        out, _ = self.popen.communicate(timeout=seconds)
        assert self.popen.returncode == 0, "the load program failed"
        return json.loads(out)


def receive_drops(port):
    """The kernel's drop counters of all UDP sockets bound to port, summed."""
    drops = 0
    for path in ("/proc/net/udp", "/proc/net/udp6"):
        with open(path) as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                if int(fields[1].rsplit(":", 1)[1], 16) == port:
                    drops += int(fields[-1])
    return drops
