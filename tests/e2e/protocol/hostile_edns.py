"""EDNS: OPT in every wrong place, versions, sizes, flags, and each option in every wrong length."""

import wire
from row import GOOD, LONG, WHOLE, WWW, Table, edns
from wire import ecs, header, name, opt, option, question

ROWS = Table()
row = ROWS.row
GOOD_OPT = GOOD + " opt"
BAD_OPTION = "FORMERR opt"

# RFC 6891 §6.1.1: one OPT, in the additional section, owned by the root.
row("two OPTs", "RFC 6891 §6.1.1", header(ar=2) + question(WWW) + opt() * 2, "FORMERR opt")
row("two OPTs of two versions", "RFC 6891 §6.1.1", header(ar=2) + question(WWW) + opt() + opt(version=1), "FORMERR opt")
row("an OPT of version 1 before one of version 0", "RFC 6891 §6.1.1",
    header(ar=2) + question(WWW) + opt(version=1) + opt(), "FORMERR opt")
row("thirty OPTs", "RFC 6891 §6.1.1", header(ar=30) + question(WWW) + opt() * 30, "FORMERR opt")
row("an OPT as an answer and one where it belongs", "RFC 6891 §6.1.1",
    header(an=1, ar=1) + question(WWW) + opt() * 2, "FORMERR opt?")
row("an OPT of the question's name", "RFC 6891 §6.1.2", edns(owner=wire.pointer(12)), "FORMERR opt?")
row("an OPT of a name", "RFC 6891 §6.1.2", edns(owner=name("a")), "FORMERR opt?")
row("an OPT of the root by a pointer", "RFC 6891 §6.1.2", edns(owner=wire.pointer(12 + len(WWW) - 1)), "FORMERR opt?")

for n in (1, 2, 3, 15, 16, 100, 127, 128, 254, 255):
    row("EDNS version %d" % n, "RFC 6891 §6.1.3", edns(version=n), "BADVERS opt")
row("EDNS version 1 with options of another form", "RFC 6891 §6.1.3", edns(b"\0\3\xff\xff", version=1), "BADVERS opt")
row("EDNS version 1 with NSID", "RFC 6891 §6.1.3", edns(option(wire.NSID), version=1), "BADVERS opt nsid?")
row("EDNS version 1 with every flag", "RFC 6891 §6.1.3", edns(version=1, flags=0xffff), "BADVERS opt do")
row("EDNS version 1 at another's name", "RFC 6891 §6.1.3", edns(qname=name("other.test"), version=1), "BADVERS opt")
row("EDNS version 1 for the long answer", "RFC 6891 §6.1.3", edns(qname=LONG, qtype=wire.TXT, version=1, size=512),
    "BADVERS opt")
row("an extended RCODE in a query", "RFC 6891 §6.1.3", edns(extended=255), GOOD_OPT)

for n in (0, 1, 511, 512, 513, 65535):
    row("size %d" % n, "RFC 6891 §6.2.3", edns(size=n), GOOD_OPT)
for n in (0, 1, 511, 512, 600):
    row("size %d for the long answer" % n, "RFC 6891 §6.2.5", edns(qname=LONG, qtype=wire.TXT, size=n),
        "NOERROR aa tc opt", "NOERROR aa long opt")
row("size 65535 for the long answer", "RFC 6891 §6.2.5", edns(qname=LONG, qtype=wire.TXT, size=65535),
    "NOERROR aa long opt")

for bit in range(15):
    text = "CO" if bit == 14 else "Z bit %d" % bit
    row("EDNS flag %s" % text, "RFC 9824 §5.1" if bit == 14 else "RFC 6891 §6.1.4", edns(flags=1 << bit), GOOD_OPT)
row("DO", "RFC 3225 §3", edns(flags=wire.DO), GOOD_OPT + " do")
row("DO and every Z bit", "RFC 3225 §3", edns(flags=0xffff), GOOD_OPT + " do")

row("an option list that ends after one octet", "RFC 6891 §6.1.2", edns(b"\0"), BAD_OPTION)
row("an option list that ends within a length", "RFC 6891 §6.1.2", edns(b"\0\3\0"), BAD_OPTION)
row("an option that is longer than its OPT", "RFC 6891 §6.1.2", edns(option(65001, b"abc", length=4)), BAD_OPTION)
row("an option of 65535 octets that are not there", "RFC 6891 §6.1.2", edns(option(65001, length=65535)), BAD_OPTION)
row("a sound option before one that is cut", "RFC 6891 §6.1.2", edns(option(65001, b"abc"), b"\0\3\0"), BAD_OPTION)
row("an NSID before an option that is cut", "RFC 6891 §6.1.2", edns(option(wire.NSID), b"\xff"), BAD_OPTION + " nsid?")
row("RDLENGTH of the OPT too long", "RFC 1035 §4.1.3", edns(option(65001, b"abc"), rdlength=8), "FORMERR opt?")
row("RDLENGTH of the OPT too short for its option", "RFC 6891 §6.1.2", edns(option(65001, b"abc"), rdlength=6), BAD_OPTION)
row("RDLENGTH of the OPT 65535", "RFC 1035 §4.1.3", edns(rdlength=65535), "FORMERR opt?")
whole = edns(option(65001, b"abcd"))
for n in range(len(WHOLE) + 2, len(whole)):
    row("an OPT of which %d octets are there" % (n - len(WHOLE)), "RFC 1035 §4.1.3", whole[:n], "FORMERR opt?")

for code in (0, 2, 4, 14, 16, 17, 18, 19, 20, 26946, 65001, 65534, 65535):
    row("option %d, which is none of ours" % code, "RFC 6891 §6.1.2", edns(option(code, b"\1\2\3")), GOOD_OPT)
row("an option without octets", "RFC 6891 §6.1.2", edns(option(65001)), GOOD_OPT)
row("a hundred options", "RFC 6891 §6.1.2", edns(*[option(65001 + n, b"x") for n in range(100)]), GOOD_OPT)
row("one option of 1000 octets", "RFC 6891 §6.1.2", edns(option(65001, bytes(1000))), GOOD_OPT)
row("the same unknown option twice", "RFC 6891 §6.1.2", edns(option(65001, b"a"), option(65001, b"b")), GOOD_OPT)
row("an extended error in a query", "RFC 8914 §3", edns(option(wire.EDE, b"\0\x12stale")), GOOD_OPT)
row("half an extended error in a query", "RFC 8914 §3", edns(option(wire.EDE, b"\0")), GOOD_OPT)
for code, text in ((wire.DAU, "DAU"), (6, "DHU"), (7, "N3U")):
    row("%s in a query" % text, "RFC 6975 §4", edns(option(code, bytes(range(20)))), GOOD_OPT)
row("EXPIRE at a service", "RFC 7314 §2", edns(option(wire.EXPIRE)), GOOD_OPT)
row("EXPIRE with five octets", "RFC 7314 §2", edns(option(wire.EXPIRE, b"12345")), GOOD_OPT)
row("CHAIN", "RFC 7901 §6", edns(option(wire.CHAIN, name("example"))), GOOD_OPT)
row("a report channel", "RFC 9567 §6", edns(option(18, name("agent.test"))), GOOD_OPT)

# RFC 7830 §4: padding is answered with padding where there is something to hide from: never in clear text.
for n in (0, 1, 100, 600):
    row("padding of %d octets" % n, "RFC 7830 §4", edns(option(wire.PADDING, bytes(n))), GOOD_OPT)
row("padding that is not zero", "RFC 7830 §3", edns(option(wire.PADDING, b"\xff" * 16)), GOOD_OPT)
row("padding twice", "RFC 7830 §3", edns(option(wire.PADDING, bytes(3)), option(wire.PADDING, bytes(4))), GOOD_OPT)

row("NSID", "RFC 5001 §2.1", edns(option(wire.NSID)), GOOD_OPT + " nsid")
row("NSID with content", "RFC 5001 §2.1", edns(option(wire.NSID, b"who are you")), GOOD_OPT + " nsid")
row("NSID twice", "RFC 5001 §2.2", edns(option(wire.NSID), option(wire.NSID)), GOOD_OPT + " nsid")
row("NSID forty times", "RFC 5001 §2.2", edns(*[option(wire.NSID)] * 40), GOOD_OPT + " nsid")

CLIENT = b"clientck"
FULL = CLIENT + b"\1\0\0\0" + bytes(12)  # of the right form, made by nobody
for n in list(range(0, 8)) + list(range(9, 16)) + [41, 42, 64, 255, 1000]:
    row("a cookie of %d octets" % n, "RFC 7873 §5.2.2", edns(option(wire.COOKIE, (b"clientck" * 125)[:n])), BAD_OPTION)
for n in (8, 16, 17, 23, 24, 25, 39, 40):
    row("a cookie of %d octets that we never gave" % n, "RFC 7873 §5.2.4" if n > 8 else "RFC 7873 §5.2.3",
        edns(option(wire.COOKIE, (CLIENT + b"nonsense" * 4)[:n])), GOOD_OPT + " cookie")
row("a cookie of version 1 made by nobody", "RFC 9018 §4", edns(option(wire.COOKIE, FULL)), GOOD_OPT + " cookie")
row("a cookie of version 2", "RFC 9018 §4.1", edns(option(wire.COOKIE, CLIENT + b"\2" + FULL[9:])), GOOD_OPT + " cookie")
row("a cookie with reserved octets set", "RFC 9018 §4.2", edns(option(wire.COOKIE, CLIENT + b"\1\1\1\1" + bytes(12))),
    GOOD_OPT + " cookie")
row("a cookie of the year 2106", "RFC 9018 §4.3", edns(option(wire.COOKIE, CLIENT + b"\1\0\0\0\xff\xff\xff\xff" + bytes(8))),
    GOOD_OPT + " cookie")
row("a client cookie of zeros", "RFC 7873 §5.2.3", edns(option(wire.COOKIE, bytes(8))), GOOD_OPT + " cookie")
row("a cookie twice", "RFC 7873 §5.2", edns(option(wire.COOKIE, CLIENT), option(wire.COOKIE, b"another!")),
    GOOD_OPT + " cookie")
row("a cookie, and then one of a bad length", "RFC 7873 §5.2", edns(option(wire.COOKIE, CLIENT), option(wire.COOKIE, b"x")),
    GOOD_OPT + " cookie")
row("a cookie of a bad length, and then one", "RFC 7873 §5.2", edns(option(wire.COOKIE, b"x"), option(wire.COOKIE, CLIENT)),
    BAD_OPTION)
row("a cookie without a question", "RFC 7873 §5.4", header(qd=0, ar=1) + opt(option(wire.COOKIE, CLIENT)),
    "NOERROR bare opt cookie")
row("a cookie of a bad length without a question", "RFC 7873 §5.4", header(qd=0, ar=1) + opt(option(wire.COOKIE, b"x" * 9)),
    "FORMERR bare opt")
row("a cookie without a question, with server part", "RFC 7873 §5.4", header(qd=0, ar=1) + opt(option(wire.COOKIE, FULL)),
    "NOERROR bare opt cookie")
row("a cookie at another's name", "RFC 7873 §5.2.3", edns(option(wire.COOKIE, CLIENT), qname=name("other.test")),
    "REFUSED opt cookie ede:20")
row("a cookie with two questions", "RFC 9619 §4",
    header(qd=2, ar=1) + question(WWW) * 2 + opt(option(wire.COOKIE, CLIENT)), "FORMERR bare opt cookie?")
row("a cookie for the long answer in 512 octets", "RFC 7873 §5.2.3",
    edns(option(wire.COOKIE, CLIENT), qname=LONG, qtype=wire.TXT, size=512), "NOERROR aa tc opt cookie",
    "NOERROR aa long opt cookie")

# RFC 7828 §3.2.1: over UDP it is ignored; over TCP it is asked for without octets.
row("a keepalive", "RFC 7828 §3.2.1", edns(option(wire.KEEPALIVE)), GOOD_OPT, GOOD_OPT + " keepalive")
row("a keepalive with a time-out", "RFC 7828 §3.2.1", edns(option(wire.KEEPALIVE, b"\0\x64")), GOOD_OPT,
    BAD_OPTION + " keepalive?")
row("a keepalive with one octet", "RFC 7828 §3.2.1", edns(option(wire.KEEPALIVE, b"\0")), GOOD_OPT,
    BAD_OPTION + " keepalive?")
row("a keepalive twice", "RFC 7828 §3.2.1", edns(option(wire.KEEPALIVE), option(wire.KEEPALIVE)), GOOD_OPT,
    GOOD_OPT + " keepalive")

V4, V6 = b"\xc0\0\2\1", bytes.fromhex("20010db8000000000000000000000001")
WITH_SUBNET = GOOD_OPT + " ecs"
for text, octets in (
        ("without octets", b""), ("of one octet", b"\0"), ("of two octets", b"\0\1"), ("of three octets", b"\0\1\x18"),):
    row("a subnet %s" % text, "RFC 7871 §6", edns(option(wire.ECS, octets)), BAD_OPTION)
for family in (3, 16387, 65535):
    row("a subnet of family %d" % family, "RFC 7871 §7.1.2", edns(ecs(family, 24, V4[:3])), BAD_OPTION)
row("a subnet of family 3 and no octets", "RFC 7871 §7.1.2", edns(ecs(3, 0)), BAD_OPTION)
row("a subnet of family 0 with octets", "RFC 7871 §7.1.2", edns(ecs(0, 24, V4[:3])), BAD_OPTION)
row("a subnet of family 0 and scope 24", "RFC 7871 §6", edns(ecs(0, 0, scope=24)), BAD_OPTION)
row("a subnet of family 0, source 0, as dig sends it", "RFC 7871 §7.1.2", edns(ecs(0, 0)), WITH_SUBNET)
for source, octets in ((33, V4 + b"\0"), (33, V4), (255, V4), (128, V6)):
    row("a source of %d in %d octets for IPv4" % (source, len(octets)), "RFC 7871 §6", edns(ecs(1, source, octets)),
        BAD_OPTION)
for source, octets in ((129, V6 + b"\0"), (129, V6), (255, V6)):
    row("a source of %d in %d octets for IPv6" % (source, len(octets)), "RFC 7871 §6", edns(ecs(2, source, octets)),
        BAD_OPTION)
for source, octets in ((24, 0), (24, 2), (24, 4), (32, 3), (32, 5), (0, 1), (0, 4), (1, 0), (8, 2), (25, 3), (17, 2)):
    row("%d octets for a source of %d in IPv4" % (octets, source), "RFC 7871 §6", edns(ecs(1, source, bytes(octets))),
        BAD_OPTION)
for source, octets in ((56, 6), (56, 8), (56, 16), (128, 15), (128, 17), (0, 1), (48, 4)):
    row("%d octets for a source of %d in IPv6" % (octets, source), "RFC 7871 §6", edns(ecs(2, source, bytes(octets))),
        BAD_OPTION)
for family, source, octets in ((1, 23, b"\xc0\0\3"), (1, 1, b"\x41"), (1, 25, b"\xc0\0\2\1"), (1, 31, V4), (1, 12, b"\xc0\x11"),
                               (2, 49, bytes(6) + b"\x01"), (2, 127, V6), (2, 1, b"\x01")):
    row("bits beyond a source of %d in family %d" % (source, family), "RFC 7871 §6", edns(ecs(family, source, octets)),
        BAD_OPTION)
for n in (1, 24, 32, 255):
    row("a scope of %d in a query" % n, "RFC 7871 §6", edns(ecs(1, 24, V4[:3], scope=n)), BAD_OPTION)
row("a scope in a query for 0.0.0.0/0", "RFC 7871 §6", edns(ecs(1, 0, scope=1)), BAD_OPTION)
row("two subnets, the same", "RFC 7871 §6", edns(ecs(1, 24, V4[:3]), ecs(1, 24, V4[:3])), BAD_OPTION)
row("two subnets of two families", "RFC 7871 §6", edns(ecs(1, 24, V4[:3]), ecs(2, 32, V6[:4])), BAD_OPTION)
row("a sound subnet before a broken one", "RFC 7871 §6", edns(ecs(1, 24, V4[:3]), ecs(1, 24, V4)), BAD_OPTION)
row("0.0.0.0/0", "RFC 7871 §7.1.2", edns(ecs(1, 0)), WITH_SUBNET)
row("::/0", "RFC 7871 §7.1.2", edns(ecs(2, 0)), WITH_SUBNET)
for source in (1, 8, 9, 31, 32):
    octets = (b"\x80\0\0\0")[:(source + 7) // 8]
    row("a sound subnet of %d bits" % source, "RFC 7871 §7.2.1", edns(ecs(1, source, octets)), WITH_SUBNET)
for source in (1, 56, 127, 128):
    octets = (b"\x20" + bytes(15))[:(source + 7) // 8]
    row("a sound IPv6 subnet of %d bits" % source, "RFC 7871 §7.2.1", edns(ecs(2, source, b"\0" + octets[1:])), WITH_SUBNET)
row("IPv4 in IPv6", "RFC 7871 §7.1.2", edns(ecs(2, 120, bytes(10) + b"\xff\xff" + V4[:3])), WITH_SUBNET)
row("127.0.0.1/32", "RFC 7871 §10", edns(ecs(1, 32, b"\x7f\0\0\1")), WITH_SUBNET)
row("a subnet, and the question is not for a service", "RFC 7871 §7.4",
    edns(ecs(1, 24, V4[:3]), qname=name("gslb.example"), qtype=wire.TXT), "NOERROR aa soa opt ecs")
row("a subnet at no name", "RFC 7871 §7.4", edns(ecs(1, 24, V4[:3]), qname=name("x.gslb.example")),
    "NXDOMAIN aa soa opt ecs")
row("a subnet at another's name", "RFC 7871 §7.2.1", edns(ecs(1, 24, V4[:3]), qname=name("other.test")),
    "REFUSED opt ecs ede:20")
row("a subnet with EDNS version 1", "RFC 6891 §6.1.3", edns(ecs(1, 24, V4[:3]), version=1), "BADVERS opt ecs?")
row("everything at once", "RFC 6891 §6.1.2",
    edns(option(wire.NSID), ecs(1, 24, V4[:3]), option(wire.COOKIE, CLIENT), option(wire.PADDING, bytes(20)),
         option(65001, b"x"), flags=wire.DO), GOOD_OPT + " do nsid ecs cookie")
