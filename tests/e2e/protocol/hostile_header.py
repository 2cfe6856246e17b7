"""Headers: too short, answers, operations that are none, bits that are not the client's, counts that lie."""

import wire
from row import GOOD, WHOLE, WWW, Table, query
from wire import header, opcode, question

ROWS = Table()
row = ROWS.row

for n in range(12):
    # A frame of length 0 has no message in it: hostile_stream.py.
    if n > 0:
        row("the first %d octets of a query" % n, "RFC 1035 §4.1.1", WHOLE[:n], "silence")
row("twelve zeros", "RFC 9619 §4", bytes(12), "FORMERR bare")
row("twelve octets of ff", "RFC 1035 §4.1.1", b"\xff" * 12, "silence")
row("a header that promises a question and ends", "RFC 1035 §4.1.2", header(), "FORMERR bare")
row("a header without anything", "RFC 9619 §4", header(qd=0), "FORMERR bare")

# An answer is never answered: else two servers talk to each other for ever.
row("an answer with our question", "RFC 1035 §4.1.1", query(wire.QR), "silence")
row("an answer with AA and data's flags", "RFC 1035 §4.1.1", query(wire.QR | wire.AA | wire.RD | wire.RA), "silence")
row("a FORMERR", "RFC 1035 §4.1.1", header(wire.QR | 1, qd=0), "silence")
row("a REFUSED", "RFC 1035 §4.1.1", query(wire.QR | 5), "silence")
row("a NOTIMP to an unknown operation", "RFC 1035 §4.1.1", header(wire.QR | opcode(9) | 4, qd=0), "silence")
row("an answer that cannot be read", "RFC 1035 §4.1.1", header(wire.QR) + b"\xc0\x0c", "silence")
row("an answer with an OPT", "RFC 1035 §4.1.1", header(wire.QR, ar=1) + question(WWW) + wire.opt(), "silence")
row("an answer with an OPT of version 1", "RFC 1035 §4.1.1",
    header(wire.QR, ar=1) + question(WWW) + wire.opt(version=1), "silence")

for n in range(1, 16):
    row("opcode %d" % n, "RFC 8906 §3.1.4", query(opcode(n)), "NOTIMP bare")
row("opcode 15 without a question", "RFC 8906 §3.1.4", header(opcode(15), qd=0), "NOTIMP bare")
row("opcode 2 with an OPT", "RFC 8906 §3.1.4", header(opcode(2), ar=1) + question(WWW) + wire.opt(), "NOTIMP bare")
row("opcode 7 in front of noise", "RFC 8906 §3.1.4", header(opcode(7)) + b"\xff" * 60, "NOTIMP bare")
row("opcode 5 with four counts of 65535", "RFC 8906 §3.1.4", header(opcode(5), 65535, 65535, 65535, 65535),
    "NOTIMP bare")
row("an inverse query as RFC 1035 had it", "RFC 3425 §3",
    header(opcode(1), qd=0, an=1) + wire.rr(b"\0", wire.A, rdata=b"\xcb\0\x71\1"), "NOTIMP bare")
row("a NOTIFY with an SOA", "RFC 1996 §3.7",
    header(opcode(4) | wire.AA, an=1) + question(wire.name("gslb.example"), wire.SOA) +
    wire.rr(wire.pointer(12), wire.SOA, rdata=b"\0\0" + bytes(20)), "NOTIMP bare")
row("an UPDATE that deletes the zone", "RFC 2136 §3",
    header(opcode(5), ns=1) + question(wire.name("gslb.example"), wire.SOA) +
    wire.rr(wire.pointer(12), wire.ANY, wire.CLASS_ANY), "NOTIMP bare")
row("a DSO keepalive", "RFC 8490 §5.1.1", header(opcode(6), qd=0) + bytes.fromhex("0001000800003a9800003a98"),
    "NOTIMP bare")

for bit, text in ((wire.AA, "AA"), (wire.TC, "TC"), (wire.RD, "RD"), (wire.RA, "RA"), (wire.Z, "Z"),
                  (wire.AD, "AD"), (wire.CD, "CD")):
    row("%s set by the client" % text, "RFC 1035 §4.1.1", query(bit), GOOD)
for n in range(1, 16):
    row("RCODE %d in a query" % n, "RFC 1035 §4.1.1", query(n), GOOD)
row("every bit but QR and the opcode", "RFC 1035 §4.1.1", query(0x07ff), GOOD)

LIES = (
    ("no question though one is there", dict(qd=0), "FORMERR bare"),
    ("two questions and one is there", dict(qd=2), "FORMERR bare"),
    ("65535 questions and one is there", dict(qd=65535), "FORMERR bare"),
    ("an answer that is not there", dict(an=1), "FORMERR"),
    ("65535 answers that are not there", dict(an=65535), "FORMERR"),
    ("an authority that is not there", dict(ns=1), "FORMERR"),
    ("65535 authorities that are not there", dict(ns=65535), "FORMERR"),
    ("an additional record that is not there", dict(ar=1), "FORMERR"),
    ("65535 additional records that are not there", dict(ar=65535), "FORMERR"),
    ("65535 of everything but questions", dict(an=65535, ns=65535, ar=65535), "FORMERR"),
    ("65535 of everything", dict(qd=65535, an=65535, ns=65535, ar=65535), "FORMERR bare"),
)
for text, counts, expected in LIES:
    row("counts: " + text, "RFC 1035 §4.1.1", header(**counts) + question(WWW), expected)
row("an OPT that the counts do not count", "RFC 1035 §4.1", header() + question(WWW) + wire.opt(), GOOD)
row("an OPT that is counted as an answer", "RFC 6891 §6.1.1", header(an=1) + question(WWW) + wire.opt(), "FORMERR opt?")
row("an OPT that is counted as an authority", "RFC 6891 §6.1.1", header(ns=1) + question(WWW) + wire.opt(),
    "FORMERR opt?")
row("two additional records counted and the OPT alone there", "RFC 1035 §4.1.1",
    header(ar=2) + question(WWW) + wire.opt(), "FORMERR opt?")
row("65535 additional records counted and the OPT alone there", "RFC 1035 §4.1.1",
    header(ar=65535) + question(WWW) + wire.opt(), "FORMERR opt?")
row("one octet behind the question", "RFC 1035 §4.1", WHOLE + b"\0", GOOD)
row("a second query behind the first", "RFC 1035 §4.1", WHOLE + WHOLE, GOOD)
row("three hundred octets of ff behind the question", "RFC 1035 §4.1", WHOLE + b"\xff" * 300, GOOD)
