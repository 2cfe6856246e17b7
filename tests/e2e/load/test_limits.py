"""The limits of the TCP side on the real daemon: descriptors, clients, clients of one address."""

import os
import resource
import subprocess

from common import ADDRESS, NAME, base_world, connect, counters, is_served, lab, raise_file_limit


def test_out_of_descriptors_udp_is_served_and_tcp_recovers(t):
    base_world(t)
    d = t.daemon()
    soft, hard = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
    first = connect("127.0.0.1")
    assert is_served(first)
    highest = max(int(fd) for fd in os.listdir("/proc/%d/fd" % d.pid))
    resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (highest + 1, hard))
    held = [first]
    for n in range(60):
        held.append(connect("127.0.1.%d" % (n + 1)))
        assert is_served(held[-1]), "newcomer %d while out of descriptors" % n
        assert lab.rdata(d.ask(NAME, tries=1)) == [ADDRESS], "UDP while out of descriptors"
    t.meridian("status", ok=None)  # its connection meets the same limit
    resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (soft, hard))
    for n in range(60):
        held.append(connect("127.0.2.%d" % (n + 1)))
        assert is_served(held[-1]), "TCP after descriptors came back"
    assert all(is_served(s) for s in held[-60:]), "nobody is shed any more"
    c = counters(d)
    assert c["loop_errors"] > 0 and c["tcp_shed"] > 0, c
    for s in held:
        s.close()


def test_above_a_thousand_connections_the_oldest_idle_make_room(t):
    raise_file_limit()
    base_world(t)
    t.meridian("set workers 2")
    t.meridian("set tcp-idle 10m")
    d = t.daemon()
    held = []
    for n in range(1500):
        held.append(connect("127.0.%d.1" % (n // 50)))
        assert is_served(held[-1]), "newcomer %d was not taken" % n
    c = counters(d)
    # The kernel deals connections to the two workers by hash, each has half of the places.
    assert 900 < c["tcp_open"] <= 1000 and c["tcp_shed"] == 1500 - c["tcp_open"], c
    assert not any(is_served(s) for s in held[:200]), "an old one outlived younger ones"
    assert all(is_served(s) for s in held[-400:]), "a young one was shed"
    assert counters(d)["tcp_refused_per_ip"] == 0
    for s in held:
        s.close()


def test_one_client_has_as_many_connections_as_the_setting_says(t):
    base_world(t)
    t.meridian("set workers 1")
    t.meridian("set tcp-clients-per-ip 10")
    d = t.daemon()
    held = [connect("127.0.0.9") for _ in range(10)]
    assert all(is_served(s) for s in held)
    assert not is_served(connect("127.0.0.9")), "an eleventh"
    assert is_served(connect("127.0.0.10")), "another client"
    assert counters(d)["tcp_refused_per_ip"] == 1
    said = d.meridian("set tcp-clients-per-ip 20")
    assert "starts again" in said.stdout + said.stderr, "it says when a change takes effect"
    for s in held:
        s.close()


def test_an_ipv6_client_is_the_64_bits_it_has_to_choose_from(t):
    base_world(t)
    t.meridian("set workers 1")
    t.meridian("set tcp-clients-per-ip 4")
    addresses = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"]
    try:
        for a in addresses:
            done = subprocess.run(["ip", "-6", "address", "add", a + "/128", "dev", "lo"], env=t.env)
            assert done.returncode == 0, "an address of one's own"
        d = t.daemon(listen=("[::1]:53",))
        held = [connect(addresses[n % 2]) for n in range(4)]
        assert all(is_served(s) for s in held)
        assert not is_served(connect(addresses[0])) and not is_served(connect(addresses[1])), "a fifth of the /64"
        assert is_served(connect(addresses[2])), "the /64 beside it"
        held.pop().close()
        lab.wait_for("a place is free", lambda: counters(d)["tcp_closed"] == 2)
        assert is_served(connect(addresses[1])), "in the place of one that left"
    finally:  # the network may be the machine's
        for a in addresses:
            subprocess.run(["ip", "-6", "address", "del", a + "/128", "dev", "lo"], env=t.env)


if __name__ == "__main__":
    lab.run(globals())
