"""The world that all tests of this folder share: a root, a parent, Meridian, and resolvers in front."""

import ipaddress
import json
import os
import select
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402,F401
import wire  # noqa: E402

SLOW = bool(os.environ.get("MERIDIAN_E2E_SLOW"))
ZONE = "gslb.example"
# Of the networks for benchmarks (RFC 2544): Knot Resolver drops answers and glue in 127.0.0.0/8.
ROOT, PARENT, NS1, NS2 = ("198.18.54.%d" % i for i in (1, 2, 4, 5))
RESOLVERS = {"unbound": "198.18.54.8", "BIND": "198.18.54.9", "Knot Resolver": "198.18.54.10"}
SERVERS = {NS1, NS2}
ECS = "198.18.54.4/31"  # to whom unbound sends client subnets
TTL = 600  # of what must not expire during a test

REGIONS = {"eu": [51.51, -0.13], "us": [39.04, -77.49], "ap": [35.68, 139.69], "sa": [-23.55, -46.63]}
PARTLY = {"half": [50.11, 8.68]}  # a region that keeps a part of its clients: who stays is decided by a hash
RULES = [("continent:EU", "eu,us"), ("continent:AS", "ap,us"), ("continent:SA", "sa,us"), ("country:AU", "ap,sa"),
         ("asn:64496", "us,eu"), ("city:GB/London", "eu,sa"), ("net:127.7.0.0/16", "sa,eu"),
         ("net:127.7.128.0/20", "ap,eu"), ("net:127.7.129.0/24", "us,eu"), ("net:127.7.200.0/26", "us,ap"),
         ("net:127.7.200.64/28", "ap,us"), ("net:127.7.200.80/30", "eu,us"), ("net:127.7.200.82/32", "us,eu"),
         ("net:2001:db8:7::/48", "sa,eu"), ("net:2001:db8:7:100::/56", "ap,eu"), ("net:2001:db8:7:101::/64", "us,ap"),
         ("net:2001:db8:7:101::8/126", "sa,ap"), ("default", "us,eu,ap,sa")]
LATENCY = [("net:127.7.0.0/16", "ap", 5), ("net:127.7.128.0/17", "sa", 3), ("continent:EU", "us", 2),
           ("country:JP", "sa", 1), ("net:2001:db8:7::/48", "eu", 1)]
STATIC = """$TTL %d
@                TXT   "the top"
ns1              A     %s
ns2              A     %s
short            2 A   192.0.2.40
one.two.three    A     192.0.2.41
a.b.c.d.e.f.g    TXT   "deep"
*.wild           A     192.0.2.42
*.wild           TXT   "wild"
alias            CNAME geo
far              CNAME edge-eu.example.
""" % (TTL, NS1, NS2) + "".join("edge-%s A 192.0.2.%d\n" % (region, 60 + i) for i, region in enumerate(REGIONS))
OTHERS = "".join("edge-%s IN A 192.0.2.%d\n" % (region, 50 + i) for i, region in enumerate(REGIONS))

POLICIES = {"geo": "geo", "nearest": "nearest", "latency": "latency within=10ms | sticky", "failover": "failover",
            "weighted": "weighted", "sticky": "sticky", "all": "all", "geoall": "geo | all",
            "fenced": "fence | nearest", "dual": "nearest", "host": "nearest", "inside": "nearest",
            "partial": "nearest", "many": "all"}
# Those whose answers are a function of the client's network alone; weighted draws anew for each query.
STEADY = [name for name in POLICIES if name != "weighted"]
NAMES = {name: "%s.%s" % (name, ZONE) for name in POLICIES}
MANY_A, MANY_AAAA = 100, 60  # neither fits into 1232 octets


def endpoints(number, name):
    """Its endpoints in each region, as the document has them."""
    out = []
    for i, region in enumerate(REGIONS):
        if name == "host":
            addresses = ["edge-%s.example" % region]
        elif name == "inside":
            addresses = ["edge-%s.%s" % (region, ZONE)]
        elif name == "many":
            addresses = ["198.51.%d.%d" % (100 + i, n) for n in range(MANY_A // 4)]
            addresses += ["2001:db8:ff:%d::%x" % (i, n + 1) for n in range(MANY_AAAA // 4)]
        else:
            several = 2 if name in ("geoall", "weighted") else 1
            addresses = ["203.0.%d.%d" % (100 + number, i * 16 + n) for n in range(several)]
            if name in ("dual", "geo"):
                addresses.append("2001:db8:%x:%d::1" % (100 + number, i))
        out += [{"region": region, "address": a, "priority": 1 + (i != 2)} for a in addresses]
    if name == "partial":
        out += [{"region": region, "address": "203.0.%d.99" % (100 + number)} for region in PARTLY]
    return out


def document(t, more=(), negative_ttl=TTL):
    zone = {"name": ZONE, "file": t.write("gslb.zone", STATIC), "negative_ttl": negative_ttl,
            "ns": [{"name": "ns1." + ZONE, "addresses": [NS1]}, {"name": "ns2." + ZONE, "addresses": [NS2]}]}
    services = [{"name": NAMES[name], "policy": policy, "ttl": TTL, "endpoints": endpoints(i, name),
                 **({"map": "world"} if "geo" in policy or "fence" in policy else {})}
                for i, (name, policy) in enumerate(POLICIES.items())]
    return {"settings": {"geo": t.geo()}, "zones": [zone],
            "regions": [{"name": n, "at": at} for n, at in {**REGIONS, **PARTLY}.items()],
            "maps": [{"name": "world", "rules": [{"where": w, "regions": r.split(",")} for w, r in RULES]}],
            "latency": [{"where": w, "region": r, "ms": ms} for w, r, ms in LATENCY], "services": services + list(more)}


class World:
    """Everything but the resolvers, and a recorder that sees what they say to each other."""

    def __init__(self, t, **kw):
        self.t = t
        for address in (ROOT, PARENT, NS1, NS2, *RESOLVERS.values()):
            t.address(address)
        t.meridian("init")
        t.meridian("set nsid lab-1")
        # Cookies came later than this test: where they are there, what resolvers do with them is checked.
        self.cookies = t.meridian("set cookies on", ok=None).returncode == 0
        t.meridian("apply", t.write("world.json", json.dumps(document(t, **kw))))
        self.meridian = t.daemon(listen=[NS1 + ":53", NS2 + ":53"])
        for region in PARTLY:
            t.meridian("drain", region, "--to", "0.4", "--reason", "test")
        t.root(ROOT, PARENT)
        t.parent(PARENT, t.meridian("zone delegation " + ZONE).stdout + OTHERS)
        self.recorder = wire.Recorder({ROOT, PARENT, NS1, NS2, *RESOLVERS.values()})
        self.counted = self.count()

    def resolvers(self):
        self.t.resolver(RESOLVERS["unbound"], ROOT, ECS, top=".")
        self.t.bind(RESOLVERS["BIND"], ROOT)
        self.t.knot_resolver(RESOLVERS["Knot Resolver"], ROOT)

    def count(self):
        """The messages that Meridian has answered, by its own counters."""
        return sum(n for name, n in self.meridian.status()["counters"].items() if name.startswith("answer_"))

    def close(self):
        """Ends the recording. What it saw arrive at Meridian is what Meridian has counted."""
        self.recorder.settle()
        counted = self.count() - self.counted
        self.recorder.close()
        seen = sum(m.is_query and m.dst in SERVERS for m in self.recorder.messages)
        assert seen == counted, "%d queries recorded, %d counted by Meridian" % (seen, counted)


def upstream(messages, resolver, servers=SERVERS):
    """The queries among these that a resolver sent to some servers."""
    address = RESOLVERS.get(resolver, resolver)
    return [m for m in messages if m.is_query and m.src == address and m.dst in servers]


def outcome(message):
    """What an answer says: RCODE, and the records at the end of its aliases, without TTL and order."""
    return message.rcode(), sorted((str(s.name).lower(), s.rdtype, r.to_text()) for s in message.answer for r in s)


def masked(client, bits4, bits6):
    """A client's network, as a resolver that sends so many bits would name it."""
    address = ipaddress.ip_address(client)
    return str(ipaddress.ip_network("%s/%d" % (client, bits4 if address.version == 4 else bits6), strict=False))


# Thousands of questions: written and read here, since dnspython takes a millisecond for each.

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28}


def question(name, rdtype, subnet=None, number=0):
    """A query in wire form; subnet: "192.0.2.0/24"."""
    option = b""
    if subnet:
        network, _, bits = subnet.partition("/")
        address = ipaddress.ip_address(network)
        octets = address.packed[:(int(bits) + 7) // 8]
        family = 1 if address.version == 4 else 2
        option = struct.pack("!HHHBB", wire.SUBNET, 4 + len(octets), family, int(bits), 0) + octets
    qname = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    return (struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 1) + qname + struct.pack("!HH", TYPES[rdtype], 1) +
            b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option)


def name_at(message, at):
    """The name there in lower case, and where it ends."""
    labels, end = [], None
    while message[at]:
        if message[at] >= 192:
            end, at = end or at + 2, (message[at] & 63) << 8 | message[at + 1]
            continue
        labels.append(message[at + 1:at + 1 + message[at]].lower())
        at += 1 + message[at]
    return b".".join(labels), end or at + 1


def said(message):
    """RCODE and the sorted records (type, data) at the name that the answer is about."""
    questions, count = struct.unpack("!HH", message[4:8])
    assert questions == 1 and message[2] & 0x80 and not message[2] & 2, "no whole answer: %r" % message
    name, at = name_at(message, 12)
    at, out = at + 4, []
    for _ in range(count):
        owner, at = name_at(message, at)
        kind, _, _, length = struct.unpack("!HHIH", message[at:at + 10])
        data = name_at(message, at + 10)[0] if kind == TYPES["CNAME"] else message[at + 10:at + 10 + length]
        at += 10 + length
        if owner == name:
            out.append((kind, data))
    return message[3] & 15, sorted(out)


def ask_together(server, queries, seconds=20.0):
    """Many queries at once, each from a socket of its own: (query, source) each. Answers in their order."""
    open_ones, out = {}, [None] * len(queries)
    poll = select.poll()
    try:
        for i, (query, source) in enumerate(queries):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            open_ones[s.fileno()] = i, s
            s.bind((source, 0))
            s.connect((server, 53))
            s.send(query)
            poll.register(s, select.POLLIN)
        left = len(queries)
        while left:
            ready = poll.poll(seconds * 1000)
            assert ready, "%s left %d of %d queries without an answer" % (server, left, len(queries))
            for fd, _ in ready:
                i, s = open_ones[fd]
                out[i] = s.recv(65535)
                assert out[i][:2] == queries[i][0][:2], "an answer to something else"
                poll.unregister(s)
                left -= 1
    finally:
        for _, s in open_ones.values():
            s.close()
    return out
