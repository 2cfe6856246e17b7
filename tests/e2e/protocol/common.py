"""What the programs of this folder share: a world with a bit of everything, raw queries, the counters."""

import json
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402
import wire  # noqa: E402

SLOW = bool(os.environ.get("MERIDIAN_E2E_SLOW"))  # a sanitizer build: less load, the same claims
ZONE = "gslb.example"
NAME = "www." + ZONE
EU, US = "203.0.113.1", "203.0.113.2"
SERVER = ("127.0.0.1", 53)
PATIENCE_S = 20 if SLOW else 5
RECORDS = """$TTL 300
long TXT {long}
both TXT "one" "two"
alias CNAME www
mail MX 10 www
*.wild A 203.0.113.77
sub NS ns1.sub
sub NS ns2.sub
ns1.sub A 203.0.113.91
ns2.sub AAAA 2001:db8::91
"""


def text_of(octets):
    """A TXT record whose strings hold that many octets, in a zone file."""
    pieces = [octets[i:i + 200] for i in range(0, len(octets), 200)]
    return " ".join('"%s"' % p for p in pieces)


def world(t, more="", settings=(), services=(), start=True, args=()):
    """A zone with a file, two regions, a service that answers EU first; nothing is probed.
    more: lines of the zone file. services: more of them, as in the document."""
    records = t.write("gslb.zone", RECORDS.format(long=text_of("l" * 900)) + more)
    t.meridian("init")
    t.meridian("zone add %s --ns ns1.%s=127.0.0.1 --file %s" % (ZONE, ZONE, records))
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("region add us --at 39.0,-77.5")
    t.meridian("service add %s --policy failover --ttl 30" % NAME)
    t.meridian("endpoint add %s eu %s --priority 1" % (NAME, EU))
    t.meridian("endpoint add %s us %s --priority 2" % (NAME, US))
    if services:
        document = json.loads(t.meridian("export").stdout)
        document["services"] += services
        t.meridian("apply", t.write("world.json", json.dumps(document)), "--force")
    for key, value in settings:
        t.meridian("set", key, value)
    return t.daemon(args=args) if start else None


class Udp:
    """One socket, so that one worker answers in the order of the questions."""

    def __init__(self, source=None):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.settimeout(PATIENCE_S)
        if source:
            self.s.bind((source, 0))
        self.s.connect(SERVER)

    def send(self, octets):
        self.s.send(octets)

    def receive(self):
        """The next answer's octets, None after PATIENCE_S."""
        try:
            return self.s.recv(65536)
        except socket.timeout:
            return None

    def ask(self, octets):
        """The answer, read strictly."""
        self.send(octets)
        got = self.receive()
        assert got is not None, "no answer"
        message = wire.Message(got)
        wire.check_copies(octets, message)
        return message

    def close(self):
        self.s.close()


class Tcp:
    def __init__(self, source=None):
        self.s = socket.create_connection(SERVER, timeout=PATIENCE_S, source_address=(source, 0) if source else None)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, octets):
        """One message with its length, in one segment."""
        self.s.sendall(struct.pack("!H", len(octets)) + octets)

    def receive(self):
        """The next message's octets, None at the end of the stream."""
        while len(self.rest) < 2 or len(self.rest) < 2 + struct.unpack("!H", self.rest[:2])[0]:
            try:
                more = self.s.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.rest += more
        end = 2 + struct.unpack("!H", self.rest[:2])[0]
        message, self.rest = self.rest[2:end], self.rest[end:]
        return message

    def ask(self, octets):
        self.send(octets)
        got = self.receive()
        assert got is not None, "closed"
        message = wire.Message(got)
        wire.check_copies(octets, message)
        return message

    def close(self):
        self.s.close()


def counters(d):
    return d.status()["counters"]


def outcomes(before, after):
    """What the answer_ counters grew by, without those that did not."""
    keys = [k for k in after if k.startswith("answer_")]
    return {k[7:]: after[k] - before.get(k, 0) for k in keys if after[k] != before.get(k, 0)}
