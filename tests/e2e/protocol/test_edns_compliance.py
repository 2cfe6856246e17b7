"""The probes by which operators are told that their servers break things (RFC 8906 §8), each at the top of
the zone and at a service, over UDP and TCP."""

import collections
import struct

import common
import wire
from judge import NSID, judge
from row import APEX, LONG, WWW
from wire import COOKIE, ECS, EXPIRE, Malformed, ecs, header, name, opcode, opt, option, question

UNKNOWN = option(100, b"")  # RFC 8906 §8.2.3 takes code 100
V4 = b"\xc0\0\2"
CLIENT = b"\x12\x34\x56\x78\x9a\xbc\xde\xf0"
Probe = collections.namedtuple("Probe", "phrase section flags opt words")
plain, with_opt = "NOERROR aa data", "NOERROR aa data opt"

# What is asked of both names. opt: None for none. "data" is what the name has: the SOA, the address.
PROBES = (
    Probe("plain DNS", "RFC 8906 §8.1.1", 0, None, plain),
    Probe("CD=1", "RFC 8906 §8.1.3.1", wire.CD, None, plain),
    Probe("AD=1", "RFC 8906 §8.1.3.2", wire.AD, None, plain),
    Probe("the reserved bit", "RFC 8906 §8.1.3.3", wire.Z, None, plain),
    Probe("recursion asked for", "RFC 8906 §8.1.3.4", wire.RD, None, plain),
    Probe("AA=1", "RFC 1035 §4.1.1", wire.AA, None, plain),
    Probe("TC=1", "RFC 1035 §4.1.1", wire.TC, None, plain),
    Probe("RA=1", "RFC 1035 §4.1.1", wire.RA, None, plain),
    Probe("every bit of the header", "RFC 1035 §4.1.1", 0x07f0, None, plain),
    Probe("minimal EDNS", "RFC 8906 §8.2.1", 0, opt(), with_opt),
    Probe("minimal EDNS with AD and CD", "RFC 6840 §5.7", wire.AD | wire.CD, opt(), with_opt),
    Probe("EDNS version 1", "RFC 8906 §8.2.2", 0, opt(version=1), "BADVERS opt"),
    Probe("EDNS version 100", "RFC 8906 §8.2.2", 0, opt(version=100), "BADVERS opt"),
    Probe("EDNS version 255", "RFC 8906 §8.2.2", 0, opt(version=255), "BADVERS opt"),
    Probe("an unknown option", "RFC 8906 §8.2.3", 0, opt(UNKNOWN), with_opt),
    Probe("an unknown option with octets", "RFC 8906 §8.2.3", 0, opt(option(100, b"octets")), with_opt),
    Probe("an unknown flag", "RFC 8906 §8.2.4", 0, opt(flags=0x40), with_opt),
    Probe("every unknown flag", "RFC 8906 §8.2.4", 0, opt(flags=0x7fff), with_opt),
    Probe("version 1 and an unknown flag", "RFC 8906 §8.2.5", 0, opt(version=1, flags=0x40), "BADVERS opt"),
    Probe("version 1 and an unknown option", "RFC 8906 §8.2.6", 0, opt(UNKNOWN, version=1), "BADVERS opt"),
    Probe("512 octets and DO", "RFC 8906 §8.2.7", 0, opt(size=512, flags=wire.DO), with_opt + " do"),
    Probe("DO", "RFC 8906 §8.2.8", 0, opt(flags=wire.DO), with_opt + " do"),
    Probe("version 1 and DO", "RFC 8906 §8.2.9", 0, opt(version=1, flags=wire.DO), "BADVERS opt do"),
    Probe("NSID, cookie, EXPIRE and subnet at once", "RFC 8906 §8.2.10", 0,
          opt(option(wire.NSID) + option(COOKIE, CLIENT) + option(EXPIRE) + ecs(1, 0)), with_opt + " nsid cookie ecs"),
    Probe("size 0", "RFC 6891 §6.2.3", 0, opt(size=0), with_opt),
    Probe("size 4096", "RFC 6891 §6.2.5", 0, opt(size=4096), with_opt),
    Probe("size 65535", "RFC 6891 §6.2.5", 0, opt(size=65535), with_opt),
    Probe("a client cookie", "RFC 7873 §5.2.3", 0, opt(option(COOKIE, CLIENT)), with_opt + " cookie"),
    Probe("a cookie of 7 octets", "RFC 7873 §5.2.2", 0, opt(option(COOKIE, CLIENT[:7])), "FORMERR opt"),
    Probe("a cookie of 15 octets", "RFC 7873 §5.2.2", 0, opt(option(COOKIE, CLIENT + bytes(7))), "FORMERR opt"),
    Probe("a cookie of 41 octets", "RFC 7873 §5.2.2", 0, opt(option(COOKIE, CLIENT + bytes(33))), "FORMERR opt"),
    Probe("another server's cookie", "RFC 7873 §5.2.4", 0, opt(option(COOKIE, CLIENT + bytes(16))), with_opt + " cookie"),
    Probe("an IPv4 subnet", "RFC 7871 §7.2.1", 0, opt(ecs(1, 24, V4)), with_opt + " ecs"),
    Probe("an IPv6 subnet", "RFC 7871 §7.2.1", 0, opt(ecs(2, 32, b"\x20\1\x0d\xb8")), with_opt + " ecs"),
    Probe("no subnet, please", "RFC 7871 §7.1.2", 0, opt(ecs(1, 0)), with_opt + " ecs"),
    Probe("a subnet of family 3", "RFC 7871 §7.1.2", 0, opt(ecs(3, 24, V4)), "FORMERR opt"),
    Probe("a subnet with an octet too many", "RFC 7871 §6", 0, opt(ecs(1, 24, V4 + b"\0")), "FORMERR opt"),
    Probe("NSID", "RFC 5001 §2.1", 0, opt(option(wire.NSID)), with_opt + " nsid"),
    Probe("EXPIRE", "RFC 7314 §2", 0, opt(option(EXPIRE)), with_opt),  # a primary's data does not expire
    Probe("padding", "RFC 7830 §4", 0, opt(option(wire.PADDING, bytes(64))), with_opt),
    Probe("a key tag", "RFC 8145 §4.1", 0, opt(option(14, b"\x4f\x66")), with_opt),
)

# What is asked once. The bits that a client may set beside an unknown operation change nothing.
OTHERS = (
    ("an unknown type at a service", "RFC 8906 §8.1.2", header() + question(WWW, 1000), "NOERROR aa soa", None),
    ("an unknown type at the top of the zone", "RFC 8906 §8.1.2", header() + question(APEX, 1000), "NOERROR aa soa", None),
    ("an unknown type with EDNS", "RFC 8906 §8.1.2", header(ar=1) + question(APEX, 65280) + opt(), "NOERROR aa soa opt",
     None),
    ("an unknown operation", "RFC 8906 §8.1.4", header(opcode(15), qd=0), "NOTIMP bare", None),
    ("an unknown operation with flags", "RFC 8906 §8.1.4", header(opcode(15) | 0x0770, qd=0), "NOTIMP bare", None),
    ("an unknown operation with a question", "RFC 8906 §8.1.4", header(opcode(15)) + question(APEX), "NOTIMP bare", None),
    ("DNSKEY in 512 octets", "RFC 8906 §8.2.7",
     header(ar=1) + question(APEX, 48) + opt(size=512, flags=wire.DO), "NOERROR aa soa opt do", None),
    ("what does not fit into 512 octets", "RFC 8906 §8.2.7",
     header(ar=1) + question(LONG, wire.TXT) + opt(size=512, flags=wire.DO), "NOERROR aa tc opt do",
     "NOERROR aa long opt do"),
    ("what does not fit without EDNS", "RFC 2181 §9", header() + question(LONG, wire.TXT), "NOERROR aa tc",
     "NOERROR aa long"),
    ("what fits into 1232 octets", "RFC 6891 §6.2.5", header(ar=1) + question(LONG, wire.TXT) + opt(),
     "NOERROR aa long opt", None),
    ("a keepalive", "RFC 7828 §3.2.1", header(ar=1) + question(WWW) + opt(option(wire.KEEPALIVE)),
     "NOERROR aa address opt", "NOERROR aa address opt keepalive"),
    ("a name that is not there, with EDNS", "RFC 6891 §6.1.1", header(ar=1) + question(name("no.gslb.example")) + opt(),
     "NXDOMAIN aa soa opt", None),
    ("another's zone, with EDNS", "RFC 6891 §6.1.1", header(ar=1) + question(name("other.test")) + opt(),
     "REFUSED opt ede:20", None),
    ("a cookie and no question", "RFC 7873 §5.4", header(qd=0, ar=1) + opt(option(COOKIE, CLIENT)),
     "NOERROR bare opt cookie", None),
)


def rows():
    for p in PROBES:
        for qname, qtype, data in ((APEX, wire.SOA, "zone"), (WWW, wire.A, "address")):
            packet = header(p.flags, ar=p.opt is not None) + question(qname, qtype) + (p.opt or b"")
            words = " ".join(data if w == "data" else w for w in p.words.split())
            yield "%s (%s)" % (p.phrase, data), p.section, packet, words, words
    for phrase, section, packet, udp, tcp in OTHERS:
        yield phrase, section, packet, udp, tcp or udp


def world(t):
    return common.world(t, settings=[("nsid", NSID.decode())])


def test_every_probe_is_answered_as_its_section_says(t):
    world(t)
    failures, n = [], 0
    for kind in (common.Udp, common.Tcp):
        for phrase, section, packet, udp, tcp in rows():
            words = udp if kind is common.Udp else tcp
            link = kind()
            try:
                link.send(packet)
                judge(packet, words, link.receive())
            except Malformed as reason:
                failures.append("%s over %s (%s): wanted %s, %s"
                                % (phrase, kind.__name__.upper(), section, words, reason))
            link.close()
            n += 1
    for line in failures:
        print("    " + line)
    assert not failures, "%d of %d probes" % (len(failures), n)


def cookie_query(cookie, **of_opt):
    return header(ar=1) + question(WWW) + opt(option(COOKIE, cookie), **of_opt)


def cookie_of(link, cookie):
    return link.ask(cookie_query(cookie)).options[COOKIE]


def test_a_cookie_that_was_given_is_taken_back_and_only_from_whom_it_was_given_to(t):
    d = world(t)
    udp, tcp, other = common.Udp(), common.Tcp(), common.Udp("127.0.0.77")
    before = common.counters(d)
    full = cookie_of(udp, CLIENT)
    assert len(full) == 24 and full[:8] == CLIENT and full[8:12] == b"\1\0\0\0", full.hex()  # RFC 9018 §4
    assert cookie_of(udp, full) == full, "a fresh cookie is not renewed"
    assert cookie_of(tcp, full) == full, "the same over TCP"
    elsewhere = cookie_of(other, full)  # RFC 9018 §4.4: the address is in the hash
    assert elsewhere[:8] == CLIENT and elsewhere[16:] != full[16:], elsewhere.hex()
    forged = full[:-1] + bytes([full[-1] ^ 1])
    assert cookie_of(udp, forged)[:8] == CLIENT, "answered as if only the client's part were there"
    stolen = b"another!" + full[8:]
    assert cookie_of(udp, stolen)[16:] != full[16:], "the client's part is in the hash"
    after = common.counters(d)
    grown = {k: after[k] - before[k] for k in ("cookies_new", "cookies_valid", "cookies_bad")}
    assert grown == {"cookies_new": 1, "cookies_valid": 2, "cookies_bad": 3}, grown


def test_with_cookies_off_the_option_is_unknown(t):
    d = world(t)
    d.meridian("set cookies off")
    udp = common.Udp()
    for length in (0, 7, 8, 15, 24, 41):
        message = udp.ask(cookie_query((CLIENT * 6)[:length]))
        assert message.rcode == 0 and not message.options, (length, message.rcode, message.options)


def test_a_cookie_outlives_a_restart_and_a_change_of_secret(t):
    d = world(t)
    d.meridian("set", "cookie-secret", "00112233445566778899aabbccddeeff")
    first = cookie_of(common.Udp(), CLIENT)
    d.stop()
    d = t.daemon()
    assert cookie_of(common.Udp(), first) == first, "the secret is the configuration's"
    d.meridian("set", "cookie-secret", "ffeeddccbbaa99887766554433221100,00112233445566778899aabbccddeeff")
    before = common.counters(d)["cookies_valid"]
    cookie_of(common.Udp(), first)
    assert common.counters(d)["cookies_valid"] == before + 1, "the old secret still verifies"
    assert cookie_of(common.Udp(), CLIENT)[16:] != first[16:], "and no longer makes"


def test_the_longest_question_with_every_option_is_answered_within_the_clients_size(t):
    d = common.world(t, settings=[("nsid", "n" * 255)])
    ours = 3 * (b"\x3e" + b"n" * 62) + b"\x33" + b"m" * 51 + APEX
    others = 3 * (b"\x3e" + b"n" * 62) + b"\x3b" + b"m" * 59 + name("test")
    options = option(wire.NSID) + ecs(2, 128, bytes(15) + b"\1") + option(COOKIE, CLIENT) + option(wire.KEEPALIVE)
    assert len(ours) == len(others) == 255
    for qname, extra, version, rcode in ((ours, b"", 0, "NXDOMAIN"), (others, b"", 0, "REFUSED"), (ours, b"", 1, "BADVERS"),
                                         (ours, b"\0", 0, "FORMERR")):
        for size in (0, 512, 600, 700, 1232):
            udp = common.Udp()
            message = udp.ask(header(ar=1) + question(qname) + opt(options + extra, size=size, version=version))
            assert wire.RCODE_NAMES[message.rcode] == rcode and message.opt, (rcode, size, message.rcode)
            assert len(message.octets) <= max(size, 512), (rcode, size, len(message.octets))
    assert d.alive()


def test_the_option_of_a_subnet_comes_back_octet_for_octet_at_every_length(t):
    world(t)
    udp = common.Udp()
    for family, octets, bits in ((1, b"\xcb\0\x71\xff", 32), (2, bytes.fromhex("20010db8ffffffffffffffffffffffff"), 128)):
        for source in range(bits + 1):
            whole = int.from_bytes(octets, "big") >> (bits - source) << (bits - source)
            address = whole.to_bytes(bits // 8, "big")[:(source + 7) // 8]
            message = udp.ask(header(ar=1) + question(WWW) + opt(ecs(family, source, address)))
            assert message.options == {ECS: struct.pack("!HBB", family, source, 0) + address}, (family, source)


if __name__ == "__main__":
    common.lab.run(globals())
