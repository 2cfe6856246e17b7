"""A million mutated packets and twenty thousand mutated frames: each gets its one answer or none, the good
queries between them are answered, and the daemon is as large after it as it was before."""

import json
import os
import subprocess

import common
from common import EU, NAME, SLOW, lab

SEED = os.environ.get("SEED", "1")
PACKETS, FRAMES = (100_000, 4_000) if SLOW else (1_000_000, 20_000)
GROWTH_KIB = 8192 if SLOW else 1024  # sanitizers keep what was freed
MUTATE = os.path.join(lab.BUILD, "tests", "e2e", "protocol", "e2e_mutate")


def mutate(d, transport, count):
    done = subprocess.run([MUTATE, *map(str, common.SERVER), transport, str(count), SEED, str(d.pid)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    seed, _, result = done.stdout.partition("\n")
    print("    %s %s %s" % (seed, transport, result.strip()))
    assert done.returncode == 0, done.stderr
    return json.loads(result)


def survives(t, transport, count):
    """What was counted: packets sent and the daemon's counters after them."""
    d = common.world(t)
    pid, before = d.pid, common.counters(d)
    got = mutate(d, transport, count)
    after = common.counters(d)
    assert got["sent"] == count and got["good"] > count // 40, got
    # Most mutations leave a header that is owed an answer; none of them would make this test empty.
    assert got["answered"] > count // 2, got
    assert got["rss_kib"] - got["rss_early_kib"] <= GROWTH_KIB, got
    assert d.alive() and d.pid == pid
    for tcp in (False, True):
        assert lab.rdata(d.ask(NAME, tcp=tcp)) == [EU]
    return got, before, after


def test_a_million_mutated_packets_are_answered_or_dropped_and_leave_nothing_behind(t):
    got, before, after = survives(t, "udp", PACKETS)
    assert after["udp_received"] - before["udp_received"] == got["sent"] + got["good"]
    outcomes = common.outcomes(before, after)
    assert sum(outcomes.values()) == got["sent"] + got["good"], outcomes
    assert outcomes["dropped"] == got["sent"] - got["answered"], outcomes
    for kind in ("noerror", "nodata", "nxdomain", "referral", "refused", "truncated", "formerr", "notimp", "notauth", "badvers"):
        assert outcomes.get(kind, 0) > 0, "no %s among %s" % (kind, outcomes)
    print("    %s" % outcomes)


def test_mutated_frames_are_answered_or_dropped_and_leave_nothing_behind(t):
    got, before, after = survives(t, "tcp", FRAMES)
    outcomes = common.outcomes(before, after)
    queries = after["tcp_queries"] - before["tcp_queries"]
    assert sum(outcomes.values()) == queries >= got["sent"] + got["good"], (outcomes, queries)
    assert got["cut"] > FRAMES // 200, got


if __name__ == "__main__":
    lab.run(globals())
