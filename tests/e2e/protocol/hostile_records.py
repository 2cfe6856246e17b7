"""Records behind the question: lengths that lie, owners that loop, counts, and signatures for keys that are none.

TSIG: RFC 8945 §5.1 has a TSIG out of its place, or a second one, answered FORMERR, and §5.2.1 a key that
the server does not recognise NOTAUTH, with an unsigned TSIG that says BADKEY. A server without keys
recognises none. To pass over the record instead would give the client an answer that it has to throw
away (§5.3) and ask again.
"""

import struct

import wire
from row import GOOD, LONG, WWW, Table
from wire import header, name, pointer, question, rr

ROWS = Table()
row = ROWS.row
ADDRESS = b"\xcb\0\x71\1"
QNAME = pointer(12)


def with_records(octets, an=0, ns=0, ar=0, qname=WWW, qtype=wire.A):
    return header(an=an, ns=ns, ar=ar) + question(qname, qtype) + octets


SECTIONS = (("answer", "an"), ("authority", "ns"), ("additional", "ar"))
for text, count in SECTIONS:
    one = {count: 1}
    row("a sound record in the %s section" % text, "RFC 1035 §4.1", with_records(rr(QNAME, wire.A, rdata=ADDRESS), **one),
        GOOD)
    row("RDLENGTH one too many in the %s section" % text, "RFC 1035 §4.1.3",
        with_records(rr(QNAME, wire.A, rdata=ADDRESS, rdlength=5), **one), "FORMERR")
    row("RDLENGTH 65535 in the %s section" % text, "RFC 1035 §4.1.3",
        with_records(rr(QNAME, wire.A, rdata=ADDRESS, rdlength=65535), **one), "FORMERR")
    row("RDLENGTH one too few in the %s section" % text, "RFC 1035 §4.1.3",
        with_records(rr(QNAME, wire.A, rdata=ADDRESS, rdlength=3), **one), GOOD + " / FORMERR")
    row("an owner that points to itself in the %s section" % text, "RFC 1035 §4.1.4",
        with_records(rr(pointer(12 + len(WWW) + 4), wire.A, rdata=ADDRESS), **one), "FORMERR")
    row("an owner that points forwards in the %s section" % text, "RFC 1035 §4.1.4",
        with_records(rr(pointer(12 + len(WWW) + 8), wire.A, rdata=ADDRESS), **one), "FORMERR")
    row("an owner that points out of the message in the %s section" % text, "RFC 1035 §4.1.4",
        with_records(rr(pointer(0x3ffe), wire.A, rdata=ADDRESS), **one), "FORMERR")
    row("an owner that points into the header in the %s section" % text, "RFC 1035 §4.1.4",
        with_records(rr(pointer(0), wire.A, rdata=ADDRESS), **one), "FORMERR")
    row("an owner that is cut in the %s section" % text, "RFC 1035 §4.1.3", with_records(b"\x07abc", **one), "FORMERR")
    row("an owner without type and class in the %s section" % text, "RFC 1035 §4.1.3", with_records(b"\0", **one),
        "FORMERR")
    row("a record that ends before RDLENGTH in the %s section" % text, "RFC 1035 §4.1.3",
        with_records(rr(QNAME, wire.A)[:-2], **one), "FORMERR")
    row("one record and a count of 65535 in the %s section" % text, "RFC 1035 §4.1.1",
        with_records(rr(QNAME, wire.A, rdata=ADDRESS), **{count: 65535}), "FORMERR")

START = 12 + len(WWW) + 4  # the first octet behind the question
for text, owner in (("label type 40", b"\x40abc\0"), ("label type 80", b"\x80abc\0"),
                    ("256 octets", b"\x3f" + b"a" * 63 + 3 * (b"\x3f" + b"a" * 63) + b"\0"),
                    ("a loop of label and pointer", b"\1a" + pointer(START)),
                    ("a pointer behind a label to that label's octets", b"\1a" + pointer(START + 1)),
                    ("half a pointer", b"\xc0")):
    row("an owner with %s" % text, "RFC 1035 §4.1.4", with_records(rr(owner, wire.A, rdata=ADDRESS), ar=1), "FORMERR")
row("two owners that point to each other", "RFC 1035 §4.1.4",
    with_records(rr(pointer(START + 12), wire.A) + rr(pointer(START), wire.A), ar=2), "FORMERR")
row("a chain of a hundred pointers", "RFC 1035 §4.1.4",
    with_records(rr(QNAME, wire.A, rdata=ADDRESS) + b"".join(
        rr(pointer(START + 16 * i), wire.A, rdata=ADDRESS) for i in range(99)), ar=100), GOOD + " / FORMERR")
row("a CNAME whose target points to itself", "RFC 1035 §4.1.4",
    with_records(rr(QNAME, wire.CNAME, rdata=pointer(START + 12)), an=1), GOOD + " / FORMERR")
row("a CNAME that contradicts us", "RFC 5452 §6", with_records(rr(QNAME, wire.CNAME, rdata=name("evil.test")), an=1), GOOD)
row("an address that contradicts us", "RFC 5452 §6", with_records(rr(QNAME, wire.A, ttl=86400, rdata=b"\6\6\6\6"), an=1),
    GOOD)
row("sixty records of type 65280 without data", "RFC 3597 §3",
    with_records(rr(QNAME, 65280) * 60, an=20, ns=20, ar=20), GOOD)
row("sixty records and a count of one more", "RFC 1035 §4.1.1",
    with_records(rr(QNAME, 65280) * 60, an=20, ns=20, ar=21), "FORMERR")
row("records of class ANY and TTL ffffffff", "RFC 2181 §8",
    with_records(rr(QNAME, wire.ANY, wire.CLASS_ANY, 0xffffffff), ar=1), GOOD)
row("an OPT behind a sound record", "RFC 6891 §6.1.1",
    with_records(rr(QNAME, wire.A, rdata=ADDRESS) + wire.opt(), ar=2), GOOD + " opt")
row("an OPT before a sound record", "RFC 6891 §6.1.1",
    with_records(wire.opt() + rr(QNAME, wire.A, rdata=ADDRESS), ar=2), GOOD + " opt")
row("an OPT before a record that is cut", "RFC 1035 §4.1.3",
    with_records(wire.opt() + rr(QNAME, wire.A, rdata=ADDRESS)[:-1], ar=2), "FORMERR opt?")
row("an OPT as an answer's RDATA", "RFC 1035 §4.1.3", with_records(rr(QNAME, 65280, rdata=wire.opt()), an=1), GOOD)
row("a message of 2048 octets, most of it behind the counts", "RFC 1035 §4.1", with_records(bytes(2048 - START)), GOOD)
row("a record of 1900 octets", "RFC 3597 §3", with_records(rr(QNAME, 65280, rdata=bytes(1900)), ar=1), GOOD)
# Over UDP longer than the 1232 octets that our OPT says we can take (RFC 6891 §6.2.3): its end is lost.
row("a record of 4000 octets", "RFC 6891 §6.2.5", with_records(rr(QNAME, 65280, rdata=bytes(4000)), ar=1), "FORMERR", GOOD)
row("a record of 60000 octets", "RFC 6891 §6.2.5", with_records(rr(QNAME, 65280, rdata=bytes(60000)), ar=1), "FORMERR",
    GOOD)

HMAC = name("hmac-sha256")


def tsig(key=name("key.test"), rclass=wire.CLASS_ANY, ttl=0, algorithm=HMAC, mac=bytes(32), cut=0, error=0):
    rdata = (algorithm + struct.pack("!HIHH", 0, 1764110000, 300, len(mac)) + mac +
             struct.pack("!HHH", 0x4d65, error, 0))
    return rr(key, wire.TSIG, rclass, ttl, rdata[:len(rdata) - cut])


BADKEY = "NOTAUTH tsig:17"
row("a TSIG of a key that nobody has", "RFC 8945 §5.2.1", with_records(tsig(), ar=1), BADKEY)
row("a TSIG behind an OPT", "RFC 8945 §5.2.1", with_records(wire.opt() + tsig(), ar=2), BADKEY + " opt")
row("a TSIG with an algorithm that is none", "RFC 8945 §5.2.1",
    with_records(tsig(algorithm=name("hmac-rot13.test")), ar=1), BADKEY)
row("a TSIG that the root owns", "RFC 8945 §5.2.1", with_records(tsig(key=b"\0"), ar=1), BADKEY)
row("a TSIG without MAC", "RFC 8945 §5.2.1", with_records(tsig(mac=b""), ar=1), BADKEY)
row("a TSIG that is not the last record", "RFC 8945 §5.1",
    with_records(tsig() + rr(QNAME, wire.A, rdata=ADDRESS), ar=2), "FORMERR")
row("a TSIG before an OPT", "RFC 8945 §5.1", with_records(tsig() + wire.opt(), ar=2), "FORMERR opt?")
row("a TSIG twice", "RFC 8945 §5.1", with_records(tsig() * 2, ar=2), "FORMERR")
row("a TSIG as an answer", "RFC 8945 §5.1", with_records(tsig(), an=1), "FORMERR")
row("a TSIG as an authority", "RFC 8945 §5.1", with_records(tsig(), ns=1), "FORMERR")
row("a TSIG of class IN", "RFC 8945 §4.2", with_records(tsig(rclass=wire.IN), ar=1), "FORMERR")
row("a TSIG with a TTL", "RFC 8945 §4.2", with_records(tsig(ttl=1), ar=1), "FORMERR")
row("a TSIG whose RDATA is cut", "RFC 8945 §5.2", with_records(tsig(cut=3), ar=1), "FORMERR")
row("a TSIG without RDATA", "RFC 8945 §5.2", with_records(rr(name("key.test"), wire.TSIG, wire.CLASS_ANY), ar=1),
    "FORMERR")
row("a SIG(0) of a key that nobody has", "RFC 2931 §3.2",
    with_records(rr(b"\0", 24, wire.CLASS_ANY, rdata=bytes(18) + name("key.test") + bytes(64)), ar=1), GOOD)
row("the long answer without an OPT", "RFC 2181 §9", with_records(b"", qname=LONG, qtype=wire.TXT), "NOERROR aa tc",
    "NOERROR aa long")
