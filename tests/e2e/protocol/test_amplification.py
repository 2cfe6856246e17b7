"""What an attacker gets who asks in another's name: never more than the client's size and ours, and with
limits on no more than he sends. Who asks honestly notices nothing."""

import re
import select
import time

import common
import wire
from common import SLOW, lab
from row import APEX, LONG, WWW
from wire import COOKIE, ecs, header, name, opt, option, question

MANY = 60
GLUED, FAR = 8, 13
CLIENT = b"attacker"
OURS, PLAIN = 1232, 512
RECORDS = ("huge TXT %s\n" % common.text_of("h" * 1200) + "fits TXT %s\n" % common.text_of("f" * 1100) +
           "".join("deep NS ns%d.deep\nns%d.deep A 192.0.2.%d\nns%d.deep AAAA 2001:db8::%d\n" % (i, i, i, i, i)
                   for i in range(1, GLUED + 1)) +
           "".join("far NS ns%d.far-away-from-here-in-another-zone.test.\n" % i for i in range(FAR)) +
           "".join("many%d A 192.0.2.%d\n" % (i // 20, i) for i in range(60)))
ALL = {"name": "all.gslb.example", "policy": "all", "ttl": 30,
       "endpoints": [{"region": "eu", "address": "198.51.100.%d" % i} for i in range(1, MANY + 1)] +
                    [{"region": "us", "address": "2001:db8::%x" % i} for i in range(1, MANY + 1)]}
KINDS = (
    ("sixty addresses", name("all.gslb.example"), wire.A),
    ("sixty IPv6 addresses", name("all.gslb.example"), wire.AAAA),
    ("ANY at a service", name("all.gslb.example"), wire.ANY),
    ("ANY at the top of the zone", APEX, wire.ANY),
    ("ANY at a text", name("huge.gslb.example"), wire.ANY),
    ("1200 octets of text", name("huge.gslb.example"), wire.TXT),
    ("1100 octets of text", name("fits.gslb.example"), wire.TXT),
    ("900 octets of text", LONG, wire.TXT),
    ("a referral with glue", name("x.deep.gslb.example"), wire.A),
    ("a referral without glue", name("x.far.gslb.example"), wire.A),
    ("no such name", name("no.gslb.example"), wire.A),
    ("no such name, 250 octets long", 4 * (b"\x3a" + b"n" * 58) + APEX, wire.A),
    ("no such type", WWW, wire.TXT),
    ("DNSKEY", APEX, 48),
    ("the SOA", APEX, wire.SOA),
    ("the name servers", APEX, wire.NS),
    ("twenty addresses", name("many0.gslb.example"), wire.A),
    ("an alias", name("alias.gslb.example"), wire.A),
    ("a type of the future", WWW, 65280),
    ("another's zone", name("www.other.test"), wire.ANY),
    ("the root's ANY", b"\0", wire.ANY),
    ("AXFR", APEX, 252),
    ("an address", WWW, wire.A),
)
SIZES = (None, 0, 511, 512, 513, 700, 1231, 1232, 1233, 4096, 65535)
OPTIONS = option(wire.NSID) + ecs(2, 128, bytes(15) + b"\1")


def world(t, settings=()):
    return common.world(t, more=RECORDS, services=[ALL], settings=[("nsid", "amplification.test"), *settings])


def query(qname, qtype=wire.A, size=None, options=b"", flags=0):
    return header(ar=size is not None) + question(qname, qtype) + (opt(options, size, flags=flags) if size is not None else b"")


def variants(qname, qtype, options=b""):
    """(the octets that the client takes, the query)"""
    for size in SIZES:
        for more, flags in ((b"", 0), (OPTIONS, wire.DO)):
            if size is not None or not more:
                yield max(PLAIN, size or 0), query(qname, qtype, size, options + more, flags)


def check_size(udp, tcp, packet, limit, phrase):
    """One query over both: no more than the limit, and TC only where the whole answer is more. Its octets."""
    over_udp, over_tcp = udp.ask(packet), tcp.ask(packet)
    size, whole = len(over_udp.octets), len(over_tcp.octets)
    assert size <= limit, "%s: %d octets where %d are allowed" % (phrase, size, limit)
    assert not over_tcp.flags & wire.TC, phrase
    if over_udp.flags & wire.TC:
        assert whole > limit, "%s: TC, and the whole is %d of %d octets" % (phrase, whole, limit)
        assert not over_udp.answer + over_udp.authority + over_udp.additional, "%s: TC and records" % phrase
    else:
        sets, wanted = over_udp.rrsets(over_udp.answer), over_tcp.rrsets(over_tcp.answer)
        assert {k: sorted(v) for k, v in sets.items()} == {k: sorted(v) for k, v in wanted.items()}, phrase
        assert over_udp.rrsets(over_udp.authority) == over_tcp.rrsets(over_tcp.authority), phrase
    return size


def test_no_answer_over_udp_is_larger_than_the_client_and_we_allow(t):
    world(t)
    udp, tcp = common.Udp(), common.Tcp()
    for phrase, qname, qtype in KINDS:
        factors = []
        for client, packet in variants(qname, qtype):
            size = check_size(udp, tcp, packet, min(client, OURS), "%s, %d octets" % (phrase, client))
            factors.append(size / len(packet))
        print("    %-30s at most %.1f times the query" % (phrase, max(factors)))


def test_a_refusal_is_never_larger_than_what_it_refuses(t):
    world(t)
    udp = common.Udp()
    for text, packet in (
            ("another's zone", query(name("www.other.test"), wire.ANY)),
            ("a name of 255 octets elsewhere", query(4 * (b"\x3e" + b"n" * 62) + b"\1a\0")),
            ("AXFR", query(APEX, 252)),
            ("class CH", header() + question(WWW, wire.A, wire.CH)),
            ("an unknown operation", header(wire.opcode(9)) + question(WWW)),
            ("two questions", header(qd=2) + question(WWW) * 2),
            ("a question that is cut", header() + WWW),
            ("an OPT of version 1", header(ar=1) + question(WWW) + opt(OPTIONS, version=1)),
            ("two OPTs", header(ar=2) + question(WWW) + opt() * 2),
            ("a cookie of a bad length", query(WWW, size=OURS, options=option(COOKIE, b"123")))):
        got = udp.ask(packet)
        assert got.rcode != 0 and len(got.octets) <= len(packet), "%s: %d for %d" % (text, len(got.octets), len(packet))


def cookie_from(link):
    return link.ask(query(WWW, size=OURS, options=option(COOKIE, CLIENT))).options[COOKIE]


def test_without_a_cookie_answers_are_small_and_a_cookies_holder_gets_the_large_one(t):
    d = world(t, [("udp-size-unverified", "512")])
    udp, tcp = common.Udp(), common.Tcp()
    proof = option(COOKIE, cookie_from(udp))
    larger = 0
    for phrase, qname, qtype in KINDS:
        for client, packet in variants(qname, qtype):
            check_size(udp, tcp, packet, PLAIN, phrase + " without a cookie")
        for client, packet in variants(qname, qtype, option(COOKIE, CLIENT)):
            check_size(udp, tcp, packet, PLAIN, phrase + " with a client cookie")
        for client, packet in variants(qname, qtype, option(COOKIE, CLIENT + bytes(16))):
            check_size(udp, tcp, packet, PLAIN, phrase + " with a forged cookie")
        for client, packet in variants(qname, qtype, proof):
            larger += check_size(udp, tcp, packet, min(client, OURS), phrase + " with a valid cookie") > PLAIN
    assert larger > 20, "only %d answers above 512 octets" % larger
    d.meridian("set udp-size 1000")
    for phrase, qname, qtype in KINDS:
        for client, packet in variants(qname, qtype, proof):
            check_size(udp, tcp, packet, min(client, 1000), phrase + " under udp-size 1000")


# Streams that look as if a whole network asked; 127.0.5.0/24 is the victim.

QPS, SECONDS, RATE = (1000 if SLOW else 2000), 4, 20
VICTIM, BYSTANDER = "127.0.5.%d", "127.0.9.1"
LARGE = query(LONG, wire.TXT, OURS)
GOOD = query(WWW)


class Stream:
    """Sends at QPS from eight addresses of one network and counts what comes back, whole and in the seconds
    after the first. Meanwhile a bystander in another network asks five times a second."""

    def __init__(self, packets=(LARGE,), seconds=SECONDS, source=VICTIM):
        self.links = [common.Udp(source % (10 + i)) for i in range(8)]
        for link in self.links:
            link.s.setblocking(False)
        self.sent = self.sent_octets = self.full = self.cut = self.octets = 0
        self.later_sent = self.later_octets = 0
        self.bystander = common.Udp(BYSTANDER)
        self.bystander_asked = 0.0
        self.run(packets, seconds)

    def run(self, packets, seconds):
        begin = time.monotonic()
        total = QPS * seconds
        while self.sent < total:
            now = time.monotonic() - begin
            while self.sent < min(total, now * QPS):
                packet = packets[self.sent % len(packets)]
                self.links[self.sent % 8].send(packet)
                self.sent += 1
                self.sent_octets += len(packet)
                self.later_sent += len(packet) if self.sent > QPS else 0
                if self.sent % 64 == 0:
                    self.receive(0)
            self.receive(0.002)
            if now > self.bystander_asked + 0.2:
                self.bystander_asked = now
                assert len(self.bystander.ask(GOOD).answer) == 1, "the bystander"
        self.seconds = time.monotonic() - begin  # a busy machine takes longer, and more is allowed
        self.receive(0.5)
        while self.receive(0.5):
            pass

    def receive(self, seconds):
        ready = select.select([link.s for link in self.links], [], [], seconds)[0]
        for s in ready:
            try:
                while True:
                    self.take(s.recv(65536))
            except BlockingIOError:
                pass
        return ready

    def take(self, octets):
        message = wire.Message(octets)
        self.octets += len(octets)
        self.later_octets += len(octets) if self.sent > QPS else 0
        if message.flags & wire.TC:
            assert not message.answer and message.question, "a slip is empty and says what was asked"
            assert message.rcode == 0 and (message.opt is not None), "a slip is not an error"
            self.cut += 1
        else:
            self.full += 1

    @property
    def silent(self):
        return self.sent - self.full - self.cut


def limited(before, after):
    keys = {"dropped": "answer_limited_dropped", "slipped": "answer_limited_slipped", "dry": "limited_dry"}
    return {text: after[key] - before[key] for text, key in keys.items()}


def stream(d, **kw):
    """A stream, and what the counters say of it; both must say the same."""
    before = common.counters(d)
    s = Stream(**kw)
    got = limited(before, common.counters(d))
    print("    sent %d, whole %d, cut %d, silent %d; octets %d for %d" %
          (s.sent, s.full, s.cut, s.silent, s.octets, s.sent_octets))
    assert (got["dropped"], got["slipped"]) == (s.silent, s.cut), got
    return s, got


def world_with_limits(t, **settings):
    """Workers share nothing, and each has its part of the rate: their number is part of the claims."""
    return world(t, [("workers", "2"), ("rate-limit", str(RATE))] + [(k.replace("_", "-"), v) for k, v in settings.items()])


def check_limited(s):
    """At least the first second's worth, at most that and what each further second allows."""
    assert RATE // 2 <= s.full <= RATE * (s.seconds + 2), s.full


def test_a_spoofed_stream_brings_its_victim_no_more_than_it_costs(t):
    d = world_with_limits(t)
    s, _ = stream(d)
    check_limited(s)
    assert s.later_octets <= s.later_sent, "%d octets for %d" % (s.later_octets, s.later_sent)
    assert abs(s.cut - s.silent) <= 0.1 * s.sent, "one in two slips by default"
    for link in (common.Udp(BYSTANDER), common.Udp("127.0.4.255"), common.Udp("127.0.6.1")):
        assert len(link.ask(LARGE).answer) >= 1, "the networks beside it"


def test_without_slip_what_is_too_much_is_silence(t):
    d = world_with_limits(t, rate_limit_slip="0")
    s, _ = stream(d)
    check_limited(s)
    assert s.cut == 0 and s.silent > s.sent // 2


def test_with_slip_1_everybody_hears_that_he_may_ask_over_tcp(t):
    d = world_with_limits(t, rate_limit_slip="1")
    s, _ = stream(d)
    check_limited(s)
    assert s.silent == 0
    whole = common.Tcp(VICTIM % 10).ask(LARGE)
    assert whole.answer and not whole.flags & wire.TC


def test_a_dry_run_changes_nothing_but_a_counter(t):
    d = world_with_limits(t, rate_limit_mode="dry-run")
    s, got = stream(d)
    assert s.full == s.sent and got["dropped"] == got["slipped"] == 0
    assert s.sent - RATE * (s.seconds + 2) <= got["dry"] <= s.sent - RATE // 2, "what would have been limited: %s" % got
    d.meridian("set rate-limit 0")
    s, got = stream(d, seconds=1)
    assert s.full == s.sent and got["dry"] == 0, got


def test_who_is_exempt_is_not_limited(t):
    d = world_with_limits(t, rate_limit_exempt="192.0.2.0/24,127.0.5.0/24")
    s, got = stream(d)
    assert s.full == s.sent and not any(got.values()), got
    s, got = stream(d, source="127.0.8.%d")
    check_limited(s)


def test_the_prefix_says_how_large_a_network_is(t):
    d = world_with_limits(t, rate_limit_prefix_v4="32")
    s, _ = stream(d)  # eight addresses, each with its own allowance
    assert 8 * RATE // 2 <= s.full <= 8 * RATE * (s.seconds + 2), s.full


def test_many_different_answers_together_meet_the_total(t):
    names = [query(name("many%d.gslb.example" % i), size=OURS) for i in range(3)]
    packets = (LARGE, *names, query(APEX, wire.SOA, OURS), query(APEX, wire.NS, OURS), query(WWW, size=OURS))
    d = world_with_limits(t, rate_limit_total="40")
    s, _ = stream(d, packets=packets)
    assert 20 <= s.full <= 40 * (s.seconds + 2), s.full
    assert s.later_octets <= s.later_sent
    d.meridian("set rate-limit-total 1000")
    s, _ = stream(d, packets=packets, source="127.0.8.%d")
    assert RATE * len(packets) // 2 <= s.full <= RATE * len(packets) * (s.seconds + 2), s.full


def test_tcp_is_never_limited_nor_is_who_holds_a_cookie(t):
    d = world_with_limits(t, rate_limit_slip="0")
    holder = common.Udp(VICTIM % 77)
    proof = query(LONG, wire.TXT, OURS, option(COOKIE, cookie_from(holder)))
    before = common.counters(d)
    tcp = common.Tcp(VICTIM % 78)
    for _ in range(20 * RATE):
        assert tcp.ask(LARGE).answer
        assert holder.ask(proof).answer
    got = limited(before, common.counters(d))
    assert not any(got.values()), got
    s, _ = stream(d, seconds=2)  # and the network is limited all the same
    assert s.full <= RATE * (s.seconds + 2), s.full


def test_who_is_limited_learns_a_cookie_by_which_he_is_answered(t):
    d = world_with_limits(t, rate_limit_slip="1")
    link = common.Udp(VICTIM % 79)
    asked, odd = query(LONG, wire.TXT, OURS, option(COOKIE, CLIENT)), None
    for _ in range(10 * RATE):
        got = link.ask(asked)
        assert got.options[COOKIE][:8] == CLIENT
        if not got.answer:  # RFC 7873 §5.2.3: BADCOOKIE, or as without a cookie
            assert got.rcode == wire.RCODES["BADCOOKIE"] or got.rcode == 0 and got.flags & wire.TC, got.rcode
            odd = got
    assert odd is not None, "nothing was limited"
    before = common.counters(d)["cookies_valid"]
    for _ in range(10 * RATE):
        assert link.ask(query(LONG, wire.TXT, OURS, option(COOKIE, odd.options[COOKIE]))).answer
    assert common.counters(d)["cookies_valid"] - before == 10 * RATE


def limit_lines(d):
    """The log's lines about limits, each as what it says: the kind and the values by key."""
    lines = [line.partition("[limit] ")[2] for line in d.meridian("log --kind limit").stdout.splitlines()]
    return [(line.partition(" source=")[0], dict(re.findall(r"(\w+)=(\S+)", line))) for line in lines]


def test_a_limit_that_bites_is_logged_at_once_and_then_every_ten_seconds(t):
    d = world_with_limits(t)
    link = common.Udp(VICTIM % 80)
    before = common.counters(d)

    def flood(packet):
        for _ in range(20 * RATE):
            link.send(packet)
    flood(LARGE)
    first = lab.wait_for("the first line", lambda: limit_lines(d))
    assert len(first) == 1 and first[0][0] == "rate-limit", first
    said = first[0][1]
    assert (said["source"], said["name"], said["type"], said["in"]) == (VICTIM % 80, "long.gslb.example", "TXT", "0s"), said
    d.meridian("set rate-limit-mode dry-run")
    flood(GOOD)
    flood(GOOD)
    lines = lab.wait_for("the second line", lambda: len(limit_lines(d)) > 1 and limit_lines(d), 20)
    assert len(lines) == 2 and int(lines[1][1]["in"][:-1]) >= 10, lines
    got = limited(before, common.counters(d))
    assert got["dry"] and got["dropped"] and got["slipped"], got
    assert {key: sum(int(line[key]) for _, line in lines) for key in got} == got, (lines, got)


def verdict(link, packet=None):
    """The RCODE, and the code of the extended error where there is one."""
    message = link.ask(packet or query(WWW, size=OURS))
    error = message.options.get(wire.EDE)
    if message.rcode == wire.RCODES["REFUSED"]:
        assert not message.answer + message.authority and not message.flags & wire.AA
    return wire.RCODE_NAMES[message.rcode], int.from_bytes(error[:2], "big") if error else None


def test_deny_refuses_and_allow_refuses_all_others(t):
    d = world(t)
    friend, foe, other = "127.0.7.1", "127.0.7.66", "127.0.8.1"
    fine, prohibited = ("NOERROR", None), ("REFUSED", 18)
    links = {who: (common.Udp(who), common.Tcp(who)) for who in (friend, foe, other)}

    def check(expected):
        before = common.counters(d)
        for who, wanted in expected.items():
            for link in links[who]:
                assert verdict(link) == wanted, (who, wanted)
                plain = link.ask(GOOD)
                assert plain.opt is None and wire.RCODE_NAMES[plain.rcode] == wanted[0], "no extended error without OPT"
        after = common.counters(d)
        refused = 4 * sum(wanted != fine for wanted in expected.values())
        assert after["denied"] - before["denied"] == refused, (before["denied"], after["denied"], refused)
        assert after["answer_refused"] - before["answer_refused"] == refused, "still one outcome each"

    check({friend: fine, foe: fine, other: fine})
    d.meridian("set deny 127.0.7.66/32")
    check({friend: fine, foe: prohibited, other: fine})
    d.meridian("set allow 127.0.7.0/24")
    check({friend: fine, foe: prohibited, other: prohibited})
    d.meridian("set", "deny", "")
    check({friend: fine, foe: fine, other: prohibited})
    d.meridian("set", "allow", "")
    check({friend: fine, foe: fine, other: fine})


if __name__ == "__main__":
    lab.run(globals())
