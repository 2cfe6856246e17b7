"""Every packet of the table gets what its section says, and the next good query is answered."""

import collections
import socket
import struct

import common
import hostile
import row as rows
import wire
from common import EU
from judge import NSID, judge
from wire import Malformed

AT_LEAST = 220
GOOD_ID = 0x600d


def good():
    return wire.header(number=GOOD_ID) + wire.question(rows.WWW)


def check_good(octets):
    message = wire.Message(octets)
    wire.check_copies(good(), message)
    assert [r.rdata for r in message.answer] == [socket.inet_aton(EU)], "the good query got %r" % octets


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
