"""Every packet of the table gets what its section says, and the next good query is answered."""

import collections
import socket
import struct

import common
import hostile
import row as rows
import wire
from common import EU
from wire import Malformed

AT_LEAST = 220
GOOD_ID = 0x600d
OPTIONS = {"ecs": wire.ECS, "cookie": wire.COOKIE, "nsid": wire.NSID, "keepalive": wire.KEEPALIVE, "ede": wire.EDE}
NSID = b"hostile.test"
IDLE = 100  # tcp-idle's default of 10 s in units of RFC 7828


def good():
    return wire.header(number=GOOD_ID) + wire.question(rows.WWW)


def check_good(octets):
    message = wire.Message(octets)
    wire.check_copies(good(), message)
    assert [r.rdata for r in message.answer] == [socket.inet_aton(EU)], "the good query got %r" % octets


class Expected:
    """One alternative of a row's words; hostile.py explains them."""

    def __init__(self, text):
        self.text = text
        words = text.split()
        self.rcode = words[0]
        self.may = {w[:-1] for w in words[1:] if w.endswith("?")}
        self.must = {w for w in words[1:] if not w.endswith("?")}

    def bit(self, word, is_set):
        if is_set and word not in self.must | self.may or not is_set and word in self.must:
            raise Malformed("%s is %s" % (word, "set" if is_set else "not there"))

    def check(self, asked, m):
        if wire.RCODE_NAMES.get(m.rcode, str(m.rcode)) != self.rcode:
            raise Malformed("RCODE %s" % wire.RCODE_NAMES.get(m.rcode, m.rcode))
        self.bit("bare", m.question is None)
        self.bit("aa", bool(m.flags & wire.AA))
        self.bit("tc", bool(m.flags & wire.TC))
        self.bit("opt", m.opt is not None)
        self.bit("do", bool(m.opt and m.opt_flags & wire.DO))
        self.options(asked, m)
        self.sections(m)

    def options(self, asked, m):
        named = {w.partition(":")[0]: w.partition(":")[2] for w in self.must | self.may}
        for code in m.options:
            if code not in [OPTIONS[w] for w in named if w in OPTIONS]:
                raise Malformed("option %d" % code)
        for word, value in named.items():
            if word not in OPTIONS:
                continue
            data = m.options.get(OPTIONS[word])
            if data is None:
                if word in self.may:
                    continue
                raise Malformed("without %s" % word)
            getattr(self, "check_" + word)(asked, data, value)

    @staticmethod
    def check_ecs(asked, data, _):
        if struct.pack("!HH", wire.ECS, len(data)) + data not in asked or data[3] != 0:
            raise Malformed("client subnet %s" % data.hex())

    @staticmethod
    def check_cookie(asked, data, _):
        if len(data) != 24 or data[:8] not in asked or data[8:12] != b"\1\0\0\0":
            raise Malformed("cookie %s" % data.hex())

    @staticmethod
    def check_nsid(_, data, __):
        if data != NSID:
            raise Malformed("NSID %r" % data)

    @staticmethod
    def check_keepalive(_, data, __):
        if data != struct.pack("!H", IDLE):
            raise Malformed("keepalive %s" % data.hex())

    @staticmethod
    def check_ede(_, data, value):
        if len(data) < 2 or struct.unpack("!H", data[:2])[0] != int(value):
            raise Malformed("extended error %r" % data)
        data[2:].decode("utf-8")

    def sections(self, m):
        answer, authority = m.rrsets(m.answer), m.rrsets(m.authority)
        additional = list(m.additional)
        tsig = [w for w in self.must if w.startswith("tsig:")]
        if tsig:
            self.signature(additional.pop() if additional else None, int(tsig[0][5:]))
        if additional:
            raise Malformed("additional records")
        if authority and "soa" not in self.must or "soa" in self.must and [k[1] for k in authority] != [wire.SOA]:
            raise Malformed("authority %s" % list(authority))
        if "address" in self.must:
            wanted = {(rows.WWW, wire.A): [socket.inet_aton(EU)]}
        elif "long" in self.must:
            wanted = {(rows.LONG, wire.TXT): [(b"\xc8" + b"l" * 200) * 4 + b"\x64" + b"l" * 100]}
        elif "text" in self.must:
            wanted = {(m.qname.lower(), wire.TXT): answer.get((m.qname.lower(), wire.TXT))}
            if any(r.rclass != wire.CH or r.ttl or r.rdata[1:10] != b"meridian " for r in m.answer) or not m.answer:
                raise Malformed("class, TTL or text in CH")
        else:
            wanted = {}
        if answer != wanted:
            raise Malformed("answer %s" % answer)

    @staticmethod
    def signature(record, error):
        if record is None or record.rtype != wire.TSIG or record.rclass != wire.CLASS_ANY or record.ttl:
            raise Malformed("no TSIG at the end")
        rest = record.rdata[record.rdata.index(b"\0") + 1:]  # behind the algorithm's name
        _, _, _, mac, _, said, other = struct.unpack("!HIHHHHH", rest)
        if mac or other or said != error:
            raise Malformed("a TSIG with error %d and a MAC of %d octets" % (said, mac))

    def outcome(self):
        """The counter that this answer moves; None where the row leaves it open."""
        if self.rcode == "silence":
            return "dropped"
        if "tc" in self.must:
            return "truncated"
        if self.rcode == "NOERROR" and "soa" in self.must:
            return "nodata"
        return None if self.rcode == "NOTAUTH" or "bare" in self.must and self.rcode == "NOERROR" else self.rcode.lower()


def judge(packet, expected, octets):
    """Which of the alternatives this is; raises Malformed with the reason if it is none."""
    reasons = []
    for text in expected.split(" / "):
        e = Expected(text)
        try:
            if (octets is None) != (e.rcode == "silence"):
                raise Malformed("silence" if octets is None else "an answer")
            if octets is not None:
                message = wire.Message(octets)
                wire.check_copies(packet, message)
                e.check(packet, message)
            return e
        except Malformed as reason:
            reasons.append(str(reason))
    raise Malformed("; ".join(reasons))


def exchange(link, packet):
    """What came back for the packet before the good query behind it was answered."""
    link.send(packet)
    link.send(good())
    first, got = None, link.receive()
    if got is not None and got[:2] != struct.pack("!H", GOOD_ID):
        first, got = got, link.receive()
    assert got is not None, "the good query behind it was not answered"
    check_good(got)
    return first


def run(t, transport):
    d = common.world(t, settings=[("nsid", NSID.decode())])
    pid, before = d.pid, common.counters(d)
    link = (common.Udp if transport == "udp" else common.Tcp)()
    other = common.Udp()
    expected_outcomes, failures, sent, open_ended = collections.Counter(), [], 0, 0
    for r in hostile.ROWS:
        if not r.packet and transport == "tcp":
            continue
        expected, came = getattr(r, transport), None
        try:
            came = exchange(link, r.packet)
            outcome = judge(r.packet, expected, came).outcome()
            expected_outcomes.update([outcome] if outcome else [])
            open_ended += outcome is None
        except (Malformed, AssertionError, OSError) as reason:
            open_ended += 1
            failures.append("%s (%s): wanted %s, %s\n        sent %s\n        came %s"
                            % (r.phrase, r.section, expected, reason, r.packet[:120].hex(),
                               came.hex() if came is not None else "nothing"))
            if isinstance(reason, (AssertionError, OSError)):
                link.close()
                link = type(link)()
        sent += 1
        if transport == "tcp":
            other.send(good())
            check_good(other.receive())
    link.close()
    if transport == "udp":
        with_tcp = common.Tcp()
        with_tcp.send(good())
        check_good(with_tcp.receive())
    for line in failures:
        print("    " + line)
    account(d, before, transport, sent, expected_outcomes, open_ended)
    assert d.alive() and d.pid == pid
    assert not failures, "%d of %d" % (len(failures), sent)


def account(d, before, transport, sent, expected, open_ended):
    """Every query moved exactly one outcome, and it was the one that the answer shows."""
    after = common.counters(d)
    udp, tcp = after["udp_received"] - before["udp_received"], after["tcp_queries"] - before["tcp_queries"]
    good_ones = sent + 1 if transport == "udp" else 2 * sent
    assert (udp, tcp) == ((2 * sent, 1) if transport == "udp" else (sent, 2 * sent)), (udp, tcp, sent)
    got = common.outcomes(before, after)
    assert sum(got.values()) == udp + tcp, "%d queries, outcomes %s" % (udp + tcp, got)
    expected["noerror"] += good_ones
    missing = {k: (n, got.get(k, 0)) for k, n in expected.items() if got.get(k, 0) < n}
    assert not missing, "fewer than shown: %s" % missing
    assert sum(got.values()) - sum(expected.values()) == open_ended, (got, expected, open_ended)


def test_the_table_holds_packets_enough_and_none_twice(t):
    seen = collections.Counter(r.packet for r in hostile.ROWS)
    twice = [r.phrase for r in hostile.ROWS if seen[r.packet] > 1]
    phrases = collections.Counter(r.phrase for r in hostile.ROWS)
    assert not twice, "the same octets: %s" % twice
    assert len(phrases) == len(hostile.ROWS), [p for p, n in phrases.items() if n > 1]
    assert all(r.section.startswith("RFC ") and "§" in r.section for r in hostile.ROWS + hostile.STREAMS)
    print("    %d packets, %d streams" % (len(hostile.ROWS), len(hostile.STREAMS)))
    assert len(hostile.ROWS) >= AT_LEAST


def test_every_hostile_packet_over_udp_gets_what_its_section_says(t):
    run(t, "udp")


def test_every_hostile_packet_over_tcp_gets_what_its_section_says(t):
    run(t, "tcp")


def play(stream):
    """The IDs of the answers, and whether the server closed."""
    link = common.Tcp()
    try:
        for segment in stream.segments:
            if segment == "end":
                link.s.shutdown(socket.SHUT_WR)
            else:
                link.s.sendall(segment)
        came = []
        while len(came) < len(stream.answers) or stream.closed:
            octets = link.receive()
            if octets is None:
                return came, True
            came.append(wire.Message(octets).number)
        link.send(good())  # nothing more comes, and the connection is still good
        octets = link.receive()
        if octets is None:
            return came, True
        check_good(octets)
        return came, False
    finally:
        link.close()


def test_every_broken_stream_ends_or_goes_on_as_it_should(t):
    d = common.world(t)
    pid, failures, udp = d.pid, [], common.Udp()
    for stream in hostile.STREAMS:
        try:
            came, closed = play(stream)
            if sorted(came) != sorted(stream.answers) or closed != stream.closed:
                failures.append("%s (%s): answers to %s, closed: %s" % (stream.phrase, stream.section, came, closed))
        except (Malformed, AssertionError, OSError) as reason:
            failures.append("%s (%s): %s" % (stream.phrase, stream.section, reason))
        udp.send(good())
        check_good(udp.receive())
        link = common.Tcp()
        link.send(good())
        check_good(link.receive())
        link.close()
    for line in failures:
        print("    " + line)
    assert not failures
    assert d.alive() and d.pid == pid


if __name__ == "__main__":
    common.lab.run(globals())
