#!/usr/bin/python3
"""Writes the seed corpora that are made of DNS messages and of scripts: what a fuzzer would take hours to find.

    make_corpus.py          writes into tests/fuzz/corpus/TARGET
    make_corpus.py --check  says which files differ from what it would write

Files of other names in these folders stay: they were made by hand, or found by a fuzzer and kept.
"""

import os
import struct
import sys

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
A, NS, SOA, MX, TXT, AAAA, OPT, HTTPS, ANY = 1, 2, 6, 15, 16, 28, 41, 65, 255
IN, CH = 1, 3
NSID, ECS, COOKIE, KEEPALIVE, PADDING, EDE = 3, 8, 10, 11, 12, 15


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def option(code, data=b""):
    return struct.pack(">HH", code, len(data)) + data


def subnet(family, source, address, scope=0):
    return option(ECS, struct.pack(">HBB", family, source, scope) + bytes(address))


def opt(options=b"", size=1232, version=0, flags=0):
    return b"\0" + struct.pack(">HHBBHH", OPT, size, 0, version, flags, len(options)) + options


def record(owner, rtype, data, rclass=IN, ttl=60):
    return owner + struct.pack(">HHIH", rtype, rclass, ttl, len(data)) + data


def query(qname, qtype=A, additional=(), flags=0x0100, qclass=IN, answers=(), authority=(), questions=None):
    asked = [name(qname) + struct.pack(">HH", qtype, qclass)] if questions is None else questions
    return struct.pack(">HHHHHH", 0x1234, flags, len(asked), len(answers), len(authority), len(additional)) + \
        b"".join(asked) + b"".join(answers) + b"".join(authority) + b"".join(additional)


CLIENT = bytes(range(8))
# A server cookie that was made under some secret: version 1, three zeros, a time, a hash.
SERVER = CLIENT + b"\1\0\0\0" + struct.pack(">I", 1700000000) + bytes(range(0xa0, 0xa8))
WWW = "www.gslb.example"


def messages():
    """Queries that any target of messages can use."""
    yield "cookie-client", query(WWW, additional=[opt(option(COOKIE, CLIENT))])
    yield "cookie-server", query(WWW, additional=[opt(option(COOKIE, SERVER))])
    yield "cookie-short", query(WWW, additional=[opt(option(COOKIE, CLIENT[:7]))])
    yield "cookie-between", query(WWW, additional=[opt(option(COOKIE, CLIENT + b"123"))])
    yield "cookie-long", query(WWW, additional=[opt(option(COOKIE, bytes(41)))])
    yield "cookie-forty", query(WWW, additional=[opt(option(COOKIE, bytes(40)))])
    yield "cookie-twice", query(WWW, additional=[opt(option(COOKIE, CLIENT) + option(COOKIE, SERVER))])
    yield "cookie-alone", query("", questions=[], additional=[opt(option(COOKIE, CLIENT))])
    yield "cookie-refused", query("www.elsewhere.example", additional=[opt(option(COOKIE, CLIENT))])
    yield "keepalive", query(WWW, additional=[opt(option(KEEPALIVE))])
    yield "keepalive-timeout", query(WWW, additional=[opt(option(KEEPALIVE, b"\0\x64"))])
    yield "padding", query(WWW, additional=[opt(option(PADDING, bytes(32)))])
    yield "error-asked", query("www.elsewhere.example", additional=[opt(option(EDE, b"\0\0"))])
    yield "everything", query(WWW, additional=[opt(
        option(NSID) + subnet(1, 24, [1, 2, 3]) + option(COOKIE, SERVER) + option(KEEPALIVE) +
        option(PADDING, bytes(7)) + option(65001, b"x"), flags=0x8000)])
    yield "option-cut", query(WWW, additional=[opt(struct.pack(">HH", COOKIE, 9) + CLIENT)])
    yield "version-1", query(WWW, additional=[opt(option(65001), version=1)])
    yield "opt-of-nothing", query(WWW, additional=[opt(size=0)])
    yield "opt-owned", query(WWW, additional=[name("x") + opt()[1:]])
    yield "opt-in-answer", query(WWW, answers=[opt()])
    yield "opt-behind-record", query(WWW, additional=[record(b"\xc0\x0c", A, bytes([192, 0, 2, 1])), opt()])
    yield "owner-forward", query(WWW, additional=[record(b"\xc0\xff", A, bytes(4)), opt()])
    yield "version-bind", query("version.bind", TXT, qclass=CH, additional=[opt()])
    yield "version-server", query("VERSION.server", TXT, qclass=CH)
    yield "id-server", query("id.server", ANY, qclass=CH)
    yield "hostname-bind", query("hostname.bind", TXT, qclass=CH)
    yield "https", query(WWW, HTTPS, additional=[opt()])
    yield "mixed-case", query("wWw.GsLb.eXaMpLe", additional=[opt(subnet(2, 56, [0x20, 1, 0xd, 0xb8, 0, 1, 0]))])
    yield "subnet-none", query(WWW, additional=[opt(subnet(0, 0, []))])
    yield "subnet-scope", query(WWW, additional=[opt(subnet(1, 24, [1, 2, 3], scope=24))])
    yield "subnet-bits", query(WWW, additional=[opt(subnet(1, 20, [1, 2, 0xff]))])
    yield "subnet-twice", query(WWW, additional=[opt(subnet(1, 24, [1, 2, 3]) * 2)])
    yield "trailing", query(WWW, additional=[opt()]) + b"\0\xff\0"


def dns_query():
    yield from messages()


def dns_oracle():
    for what, message in messages():  # octet 0 odd: the message itself
        yield what, b"\1" + message
    def recipe(flags, an, qname, records, last=b"\0"):
        return b"\0" + b"ID" + bytes([flags, 0, an]) + qname + struct.pack(">HH", A, IN) + records + last
    www = b"\2" + b"\3www" + b"\7example"
    yield "recipe-plain", recipe(1, 0, www, b"")
    yield "recipe-opt", recipe(1, 1, www, b"\0\0" + b"\x04\xd0\x00\x80\x00")
    # One option: NSID; a subnet: family, source, address.
    yield "recipe-nsid", recipe(1, 1, www, b"\0\0" + b"\x04\xd0\x01\x80\x00" + b"\x00")
    yield "recipe-subnet", recipe(1, 1, www, b"\0\0" + b"\x04\xd0\x01\0\0" + b"\x01\0\x18" + bytes([1, 2, 3]))
    yield "recipe-subnets", recipe(1, 1, www, b"\0\0" + b"\x04\xd0\x02\0\0" + b"\x01\1\x38" + bytes(7) + b"\x01\0\x00")
    yield "recipe-version", recipe(1, 1, www, b"\0\0" + b"\x04\xd0\x10\1\0\0")
    yield "recipe-two-opt", recipe(1, 2, www, (b"\0\0" + b"\x04\xd0\0\0\0") * 2)
    yield "recipe-records", recipe(1, 8 + 16 + 3, www, b"\2\1" + bytes(8) + b"\4\1" + bytes(6) + b"\0\0" + b"\x04\xd0\0\0\0",
                                   b"\3abc")
    yield "recipe-flipped", recipe(0x80, 1, b"\x20" + www, b"\0\0" + b"\x04\xd0\0\0\0", b"\x40\x02\0\x80")


def answer():
    for what, message in messages():
        yield what, b"\0\0" + message
        if what.startswith(("keepalive", "everything", "cookie-server")):
            yield what + "-tcp", b"\1\0" + message
    yield "off-error", b"\0\xff" + query("s.gslb.example", additional=[opt(subnet(1, 24, [10, 1, 2]))])


def ecs():
    def seed(how, board, family, source, address, scope=0, octets=0, seed=0, others=()):
        address = bytes(address)
        return bytes([how, board, seed, family, source, scope, octets]) + address + bytes(16 - len(address)) + \
            b"".join(bytes(o) + bytes(16 - len(o)) for o in others)
    v4 = {"twenty": (20, [1, 2]), "twenty-four": (24, [1, 2, 3]), "host": (32, [1, 2, 3, 200]), "slash-28": (28, [1, 2, 3, 16]),
          "private": (24, [10, 1, 2]), "half": (1, [0]), "none": (0, []), "top": (28, [255, 255, 255, 240])}
    v6 = {"doc": (32, [0x20, 1, 0xd, 0xb8]), "site": (48, [0x20, 1, 0xd, 0xb8, 0, 1]),
          "deep": (121, [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x80]),
          "six-to-four": (48, [0x20, 2, 1, 2, 3, 0x10]), "teredo": (128, [0x20, 1, 0, 0] + [7] * 8 + [0xfe, 0xfd, 0xfc, 0xef]),
          "mapped": (120, [0] * 10 + [0xff, 0xff, 1, 2, 3]), "nat64": (128, [0, 0x64, 0xff, 0x9b] + [0] * 8 + [1, 2, 3, 200]),
          "unique-local": (32, [0xfd, 0, 0, 1])}
    for at, (what, (source, address)) in enumerate(v4.items()):
        yield "v4-" + what, seed(at & 7, at * 37 & 255, 0, source, address, others=([0, 0, 3, 16], [9, 9, 9, 9]))
    for at, (what, (source, address)) in enumerate(v6.items()):
        yield "v6-" + what, seed(8 + (at & 7), at * 91 & 255, 1, source, address, seed=at, others=([1] * 16, [0xaa] * 16))
    for service in range(8):
        yield "all-off-%d" % service, seed(service, 255, 0, 24, [1, 2, 3])
        yield "draining-%d" % service, seed(16 + service, 0x1b, 1, 56, v6["site"][1], others=([0] * 6 + [0, 2],))
    yield "raw-sound", seed(64, 0, 1, 24, [1, 2, 3], octets=3)
    yield "raw-scope", seed(64, 0, 1, 24, [1, 2, 3], scope=24, octets=3)
    yield "raw-octets", seed(64, 0, 1, 24, [1, 2, 3, 4], octets=4)
    yield "raw-bits", seed(64, 0, 1, 20, [1, 2, 0xff], octets=3)
    yield "raw-long", seed(64, 0, 1, 33, [1, 2, 3, 4, 0x80], octets=5)
    yield "raw-family", seed(96, 0, 3, 8, [1], octets=1)
    yield "raw-none", seed(96, 0, 0, 0, [], octets=0)


def tcp_framing():
    def op(what, client=0, *more):
        return bytes([what | client << 4]) + bytes(more)
    start, frame, raw, many, push, everything, turn, read, half, leave, age, udp, empty = 0, 1, 3, 4, 5, 7, 8, 10, 11, 12, 13, 14, 15
    size = {1: 0, 2: 1, 12: 3, 40: 5, 510: 7, 511: 8, 1024: 9, 4093: 11, 4094: 12, 4095: 13, 8192: 14, 16384: 15}
    def f(length, answer_as, client=0):
        return op(frame, client, size[length] << 4 | answer_as)
    one = op(start) + f(40, 6) + op(everything) + op(read, 0, 15)
    yield "one", b"\x0f" + one
    yield "drip", b"\x0f" + op(start) + f(12, 4) + (op(push, 0, 0) + op(turn)) * 14 + op(read, 0, 15)
    yield "split-length", b"\x0f" + op(start) + op(push, 0, 0) + f(510, 9) + op(push, 0, 0) + op(turn) + op(everything)
    yield "pipeline", b"\x0f" + op(start) + op(many, 0, 0xf5) * 2 + op(everything) + op(read, 0, 13) * 3
    yield "edges-of-a-read", b"\x0f" + op(start) + f(4093, 3) + f(4094, 3) + f(4095, 3) + op(push, 0, 11) + op(turn) + op(push, 0, 12)
    yield "longest", b"\x0f" + op(start) + op(frame, 0, 0xff) + f(1, 15) + op(everything) * 4 + op(read, 0, 15)
    yield "unread", b"\x4f" + op(start) + (f(2, 15) + f(2, 14)) * 4 + op(everything) * 2 + op(turn) * 4 + op(read, 0, 14)
    yield "kept-behind-unread", b"\x4f" + op(start) + f(2, 15) * 3 + op(many, 0, 0xf3) + f(12, 11) * 3 + \
        op(everything) + op(turn) * 2 + op(read, 0, 14) + op(turn) + op(read, 0, 12)
    yield "unread-then-cut", b"\x4f" + op(start) + f(2, 15) * 4 + op(everything) * 2 + op(age)
    yield "empty-frame", b"\x0f" + op(start) + f(12, 4) + op(empty) + f(12, 4) + op(everything)
    yield "half-frame", b"\x0f" + op(start) + f(12, 4) + op(raw, 0, 3) + b"\0\x20x" + op(everything) + op(half)
    yield "no-answer", b"\x0f" + op(start) + f(12, 0) * 5 + f(12, 1) + op(everything)
    yield "half-closed-first", b"\x0f" + op(start) + f(1024, 10) + op(push, 0, 15) + op(half) + op(turn)
    yield "gone", b"\x0f" + op(start) + f(1024, 15) + op(push, 0, 15) + op(leave) + op(turn)
    yield "gone-unaccepted", b"\x0c" + op(start, 3) + op(leave, 3)
    yield "gone-while-unread", b"\x4f" + op(start) + f(2, 15) * 3 + op(everything) + op(leave) + op(turn) + op(udp)
    yield "shed", b"\x0d" + b"".join(op(start, c) + f(40, 6, c) + op(everything, c) for c in range(4))
    yield "per-address", b"\x07" + b"".join(op(start, c) + f(40, 6, c) + op(everything, c) for c in range(4))
    yield "idle", b"\x0f" + one + op(start, 1) + f(12, 4, 1) + op(everything, 1) + op(age) + op(age)
    yield "stop-now", b"\x9f" + one + op(start, 1) + f(2, 15, 1) * 3 + op(everything, 1)
    yield "stop-patient", b"\xbf" + one + op(start, 1) + f(2, 15, 1) * 3 + op(everything, 1) + op(start, 2) + op(raw, 2, 2) + b"\0\5"
    yield "stop-unread", b"\xff" + op(start) + f(2, 15) * 4 + op(everything) + op(start, 1) + f(12, 4, 1) + op(push, 1, 15)
    yield "four", b"\x0f" + b"".join(op(start, c) for c in range(4)) + \
        b"".join(f(length, 4 + c, c) for length in (12, 510, 4094) for c in range(4)) + \
        b"".join(op(push, c, 9 + c) + op(turn) for _ in range(3) for c in range(4)) + op(udp)


def doctor_answer():
    """Answers with the id 0: what `doctor` hears."""
    zone, ns = name("gslb.example"), name("ns1.gslb.example")
    asked = zone + struct.pack(">HH", NS, IN)
    at = b"\xc0\x0c"
    glue = record(b"\x03ns1" + at, A, bytes([192, 0, 2, 1])) + record(b"\x03ns1" + at, AAAA, bytes(16))
    echo = opt(subnet(1, 24, [192, 0, 2], 16))
    head = lambda flags, *counts: struct.pack(">HHHHHH", 0, flags, 1, *counts)
    yield "referral", head(0x8000, 0, 1, 2) + asked + record(at, NS, b"\x03ns1" + at) + glue
    yield "authoritative", head(0x8400, 1, 0, 3) + asked + record(zone, NS, ns) + glue + echo
    yield "address", head(0x8400, 1, 0, 1) + asked + record(at, A, bytes([192, 0, 2, 7])) + echo
    yield "truncated", head(0x8600, 0, 0, 1) + asked + opt()
    yield "loop", head(0x8400, 1, 0, 0) + asked + record(at, NS, b"\xc0\x28")
    yield "cut", head(0x8400, 2, 0, 0) + asked + record(at, NS, ns)[:-3]


TARGETS = {"answer": answer, "doctor_answer": doctor_answer, "dns_oracle": dns_oracle, "dns_query": dns_query, "ecs": ecs, "tcp_framing": tcp_framing}


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    differ = 0
    for target, seeds in TARGETS.items():
        folder = os.path.join(CORPUS, target)
        os.makedirs(folder, exist_ok=True)
        for what, data in seeds():
            path = os.path.join(folder, what)
            have = open(path, "rb").read() if os.path.exists(path) else None
            if have == data:
                continue
            if check:
                print("%s: not what tests/fuzz/make_corpus.py writes" % os.path.relpath(path))
                differ = 1
                continue
            with open(path, "wb") as f:
                f.write(data)
    sys.exit(differ)


if __name__ == "__main__":
    main()
