"""Questions: none, two, names that loop or break, every octet a label may hold, classes and types."""

import wire
from row import GOOD, WHOLE, WWW, ZONE, Table, edns, query
from wire import header, name, pointer, question

ROWS = Table()
row = ROWS.row
GONE = "NXDOMAIN aa soa"
APEX = name(ZONE)
BARE = "FORMERR bare"


def label(octets):
    return bytes([len(octets)]) + octets


row("two questions, the same", "RFC 9619 §4", header(qd=2) + 2 * question(WWW), BARE)
row("two questions, two names", "RFC 9619 §4", header(qd=2) + question(WWW) + question(APEX), BARE)
row("two questions, the second a pointer to the first", "RFC 9619 §4",
    header(qd=2) + question(WWW) + question(pointer(12), wire.AAAA), BARE)
row("two questions and an OPT", "RFC 9619 §4", header(qd=2, ar=1) + 2 * question(WWW) + wire.opt(), BARE + " opt")
row("two questions and an OPT with a subnet", "RFC 9619 §4",
    header(qd=2, ar=1) + 2 * question(WWW) + wire.opt(wire.ecs(1, 24, b"\xc0\0\2")), BARE + " opt ecs?")
row("no question and an OPT", "RFC 9619 §4", header(qd=0, ar=1) + wire.opt(), BARE + " opt")
row("no question and an OPT with an empty NSID", "RFC 9619 §4", header(qd=0, ar=1) + wire.opt(wire.option(wire.NSID)),
    BARE + " opt nsid?")
row("forty questions for one name", "RFC 9619 §4", header(qd=40) + 40 * question(WWW), BARE)

# RFC 1035 §4.1.4: a pointer leads to an earlier place; before the question there is only the header.
AT = 12
for text, qname in (
        ("to itself", pointer(AT)),
        ("to the header's first octet", pointer(0)),
        ("to the header's last octet", pointer(11)),
        ("to QDCOUNT", pointer(4)),
        ("forwards, behind the question", pointer(AT + 6)),
        ("forwards, to the end of the message", pointer(0x3fff)),
        ("behind a label, to that label", b"\3www" + pointer(AT)),
        ("behind a label, to itself", b"\3www" + pointer(AT + 4)),
        ("behind a label, into the label", b"\3www" + pointer(AT + 1)),
        ("behind a label, to the header", b"\3www" + pointer(2)),
        ("cut in half", b"\3www\xc0"),
        ("to a pointer back to it", pointer(AT + 2) + pointer(AT))):
    row("a pointer in the question %s" % text, "RFC 1035 §4.1.4", header() + question(qname), BARE)
for octet in (0x40, 0x41, 0x42, 0x7f, 0x80, 0x81, 0xbf):
    row("label type %02x first" % octet, "RFC 6891 §5" if octet < 0x80 else "RFC 1035 §4.1.4",
        header() + question(bytes([octet]) + b"x" * 63 + b"\0"), BARE)
row("label type 41, a bit string of RFC 2673", "RFC 6891 §5", header() + question(b"\x41\x08\xff\0"), BARE)
row("label type 40 behind a label", "RFC 1035 §4.1.4", header() + question(b"\3www\x40gslb\0"), BARE)
row("label type 80 behind a label", "RFC 1035 §4.1.4", header() + question(b"\3www\x80gslb\0"), BARE)
row("a label that runs out of the message", "RFC 1035 §4.1.2", header() + b"\x3fabc", BARE)
row("a name without an end", "RFC 1035 §4.1.2", header() + 4 * label(b"abc"), BARE)


def padded(total):
    """A name in the zone of `total` octets."""
    rest = total - len(APEX)
    out = b""
    while rest > 64:
        out += label(b"p" * 62)
        rest -= 63
    return out + (label(b"q" * (rest - 1)) if rest > 1 else b"") + APEX


row("a label of 63 octets", "RFC 1035 §2.3.4", query(qname=label(b"l" * 63) + APEX), GONE)
row("a label of 64 octets", "RFC 1035 §2.3.4", query(qname=label(b"l" * 64) + APEX), BARE)
row("a name of 254 octets", "RFC 1035 §2.3.4", query(qname=padded(254)), GONE)
row("a name of 255 octets", "RFC 1035 §2.3.4", query(qname=padded(255)), GONE)
row("a name of 256 octets", "RFC 1035 §2.3.4", query(qname=padded(256)), BARE)
row("a name of 300 octets", "RFC 1035 §2.3.4", query(qname=padded(300)), BARE)
row("a name of 1000 octets", "RFC 1035 §2.3.4", query(qname=padded(1000)), BARE)
row("120 labels, 254 octets", "RFC 1035 §2.3.4", query(qname=label(b"a") * 120 + APEX), GONE)
row("127 labels, another zone's", "RFC 1035 §2.3.4", query(qname=label(b"a") * 127 + b"\0"), "REFUSED")
row("128 labels, 257 octets", "RFC 1035 §2.3.4", query(qname=label(b"a") * 128 + b"\0"), BARE)
row("250 labels", "RFC 1035 §2.3.4", query(qname=label(b"a") * 250 + b"\0"), BARE)
row("a name of 256 octets with an OPT", "RFC 1035 §2.3.4", edns(qname=padded(256)), BARE)
row("the root", "RFC 1034 §4.3.2", query(qname=b"\0"), "REFUSED")
row("the root's ANY", "RFC 1034 §4.3.2", query(qname=b"\0", qtype=wire.ANY), "REFUSED")
row("the root's NS", "RFC 1034 §4.3.2", query(qname=b"\0", qtype=wire.NS), "REFUSED")
row("the zone's parent", "RFC 1034 §4.3.2", query(qname=name("example")), "REFUSED")
row("a name that only ends as the zone's", "RFC 1034 §4.3.2", query(qname=name("www.xgslb.example")), "REFUSED")
row("another zone with an OPT", "RFC 8914 §4.21", edns(qname=name("www.other.test")), "REFUSED opt ede:20")

for text, octets in (("NUL", b"\0"), ("three NULs", b"\0\0\0"), ("ff", b"\xff"), ("a dot", b"a.b"),
                     ("a dot alone", b"."), ("a space", b"a b"), ("a backslash", b"a\\b"), ("a newline", b"a\nb"),
                     ("a quote", b'"'), ("a percent sign", b"%s%n"), ("c0 0c", b"\xc0\x0c"), ("DEL", b"\x7f"),
                     ("UTF-8", "münchen".encode()), ("an at sign", b"@"), ("a star inside", b"a*b"),
                     ("a terminal's escape", b"\x1b[2J")):
    row("a label with %s" % text, "RFC 2181 §11", query(qname=label(octets) + APEX), GONE)
row("a dot in a label is no end of one", "RFC 2181 §11", query(qname=label(b"www.gslb") + name("example")), "REFUSED")
row("every octet from 128 to 187 in one label", "RFC 2181 §11", query(qname=label(bytes(range(128, 188))) + APEX), GONE)
row("upper case", "RFC 4343 §3", query(qname=WWW.upper()), GOOD)
row("every second letter large", "RFC 4343 §4",
    query(qname=bytes(c ^ 0x20 if chr(c).isalpha() and i % 2 else c for i, c in enumerate(WWW))), GOOD)
row("octets that only look like another case", "RFC 4343 §3",
    query(qname=label(bytes(c | 0x80 for c in b"www")) + APEX), GONE)
row("@ and ` are no letters", "RFC 4343 §3", query(qname=label(b"[ww") + APEX), GONE)

for n in range(13, len(WHOLE)):
    row("a question cut after %d octets" % n, "RFC 1035 §4.1.2", WHOLE[:n], BARE)

for number in (0, 2, 4, 5, 254, 255, 256, 65280, 65535):
    # Class ANY may be answered; we have data in one class and say that we have none in that.
    row("class %d" % number, "RFC 6895 §3.2", query(qclass=number), "REFUSED")
row("class CH at a name of ours", "RFC 6895 §3.2", query(qclass=wire.CH), "REFUSED")
row("class CH and no name of ours", "RFC 4892 §3", query(qname=name("version.test"), qtype=wire.TXT, qclass=wire.CH),
    "REFUSED")
for text in ("version.bind", "version.server", "VERSION.bind"):
    row("%s in CH" % text, "RFC 4892 §3", query(qname=name(text), qtype=wire.TXT, qclass=wire.CH), "NOERROR aa? text")
row("version.bind with ANY in CH", "RFC 4892 §3", query(qname=name("version.bind"), qtype=wire.ANY, qclass=wire.CH),
    "NOERROR aa? text")
row("version.bind A in CH", "RFC 4892 §3", query(qname=name("version.bind"), qclass=wire.CH), "REFUSED")
row("version.bind in IN", "RFC 4892 §3", query(qname=name("version.bind"), qtype=wire.TXT), "REFUSED")
row("id.server in HS", "RFC 4892 §3", query(qname=name("id.server"), qtype=wire.TXT, qclass=4), "REFUSED")
row("authors.bind in CH", "RFC 4892 §3", query(qname=name("authors.bind"), qtype=wire.TXT, qclass=wire.CH), "REFUSED")

row("AXFR", "RFC 5936 §2.2.1", query(qname=APEX, qtype=252), "REFUSED")
row("AXFR of a service", "RFC 5936 §2.2.1", query(qtype=252), "REFUSED")
row("AXFR of another zone", "RFC 5936 §2.2.1", query(qname=name("other.test"), qtype=252), "REFUSED")
row("IXFR", "RFC 1995 §2", query(qname=APEX, qtype=251), "REFUSED")
row("IXFR with the SOA that it needs", "RFC 1995 §3",
    header(ns=1) + question(APEX, 251) + wire.rr(pointer(12), wire.SOA, rdata=b"\0\0" + bytes(20)), "REFUSED")
row("MAILB", "RFC 8906 §3.1.2", query(qtype=253), "NOTIMP")
row("MAILA", "RFC 8906 §3.1.2", query(qtype=254), "NOTIMP")
for number, text in ((41, "OPT"), (249, "TKEY"), (250, "TSIG"), (129, "129"), (200, "200"), (248, "248")):
    row("type %s asked for" % text, "RFC 6895 §3.1", query(qtype=number), "REFUSED")
# RFC 9824 §3.5 binds who denies compactly; before that the meta types' REFUSED will do.
row("type NXNAME asked for", "RFC 9824 §3.5", query(qtype=128), "FORMERR / REFUSED")
row("ANY at a service", "RFC 8482 §4.1", query(qtype=wire.ANY), GOOD)
for number in (0, 3, 4, 10, 46, 47, 48, 50, 64, 65, 103, 127, 256, 4095, 32768, 61440, 65280, 65534, 65535):
    row("type %d at a service" % number, "RFC 3597 §5", query(qtype=number), "NOERROR aa soa")
row("type 65280 at no name", "RFC 3597 §5", query(qname=b"\1x" + APEX, qtype=65280), GONE)
row("type 65535 in class 65535", "RFC 6895 §3.2", query(qtype=65535, qclass=65535), "REFUSED")
