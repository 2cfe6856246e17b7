"""Bursts of TCP work, and the datagrams that came meanwhile. Round-trip times are printed, loss is asserted."""

import time

from common import SLOW, STEADY, Storm, base_world, connect, counters, frame, lab, pinned_daemon, raise_file_limit

CLIENTS = 500 if SLOW else 5000
STEADY_QPS = 500 if SLOW else 5000
QUERIES = 80  # of one client at once: nearly what one step reads


def open_clients(n):
    raise_file_limit()
    return [connect("127.%d.%d.1" % (100 + i // 50 // 250, i // 50 % 250)) for i in range(n)]


def check(what, steady):
    got = steady.result()
    lost = got["sent"] - got["answered"]
    print("    %s: %d sent, %d lost; rtt us p50 %d p90 %d p99 %d p99.9 %d max %d" %
          (what, got["sent"], lost, *got["rtt_us"]))
    assert got["sent"] > STEADY_QPS and lost < 0.001 * got["sent"]


def test_five_thousand_clients_asking_at_once_cost_no_datagram(t):
    base_world(t)
    for setting in ("workers 1", "tcp-clients 12000", "tcp-idle 10m"):
        t.meridian("set " + setting)
    d = pinned_daemon(t)
    clients = open_clients(CLIENTS)
    burst = b"".join(frame(n) for n in range(QUERIES))
    before = counters(d)["tcp_queries"]
    steady = Storm("steady", STEADY, 5, STEADY_QPS)
    time.sleep(0.5)
    for _ in range(2):
        for c in clients:
            c.sendall(burst)
        for c in clients:
            assert c.recv(65536), "a client was closed"
    lab.wait_for("all are answered",
                 lambda: counters(d)["tcp_queries"] - before == 2 * QUERIES * CLIENTS, 20 if not SLOW else 100)
    check("asking", steady)
    for c in clients:
        c.close()


def test_five_thousand_clients_becoming_idle_at_once_cost_no_datagram(t):
    base_world(t)
    for setting in ("workers 1", "tcp-clients 12000", "tcp-idle 4s"):
        t.meridian("set " + setting)
    d = pinned_daemon(t)
    clients = open_clients(CLIENTS)
    for c in clients:
        c.sendall(frame(1))
    steady = Storm("steady", STEADY, 7, STEADY_QPS)
    lab.wait_for("all are closed", lambda: counters(d)["tcp_idle_closed"] == CLIENTS, 20)
    check("closing", steady)
    for c in clients:
        c.close()


if __name__ == "__main__":
    lab.run(globals())
