"""Whatever arrives on port 53, the next honest question is answered."""

import os
import random
import socket
import struct
import time

import dns.message

import common
from common import EU, NAME, lab

SEED = int(os.environ.get("SEED", "1"))
BURSTS, BURST = (12, 250)


def good(d):
    assert lab.rdata(d.ask(NAME)) == [EU]


def wire(rng):
    name = rng.choice([NAME, "gslb.example", "x.gslb.example", "other.example", "."])
    q = dns.message.make_query(name, rng.choice(["A", "AAAA", "ANY", "SOA", "TXT", "AXFR", "OPT"]),
                               use_edns=rng.choice([0, -1]), payload=rng.choice([0, 512, 1232, 65535]))
    return q.to_wire()


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        how = rng.randrange(6)
        at = rng.randrange(len(data)) if data else 0
        if how == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1 and data:
            data[at] = rng.randrange(256)
        elif how == 2:
            del data[at:]
        elif how == 3:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40)))
        elif how == 4:
            data += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 600)))
        elif data:
            del data[at:at + rng.randrange(1, 8)]
    return bytes(data)


def packet(rng):
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(0, 600)))
    return mutate(rng, wire(rng))


def test_random_packets_over_udp_harm_nobody(t):
    print("SEED=%d" % SEED)
    rng = random.Random(SEED)
    d = common.world(t)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", 53))
        for _ in range(BURSTS):
            for _ in range(BURST):
                s.send(packet(rng))
            s.setblocking(False)
            try:
                while True:
                    s.recv(65535)
            except BlockingIOError:
                s.setblocking(True)
            good(d)


def test_random_frames_over_tcp_harm_nobody(t):
    print("SEED=%d" % SEED)
    rng = random.Random(SEED)
    d = common.world(t)
    for _ in range(150):
        with socket.create_connection(("127.0.0.1", 53), timeout=5) as s:
            try:
                for _ in range(rng.randrange(1, 20)):
                    body = packet(rng)
                    length = len(body) if rng.random() < 0.8 else rng.randrange(65536)
                    s.sendall(struct.pack("!H", length) + body)
            except OSError:
                pass
        if rng.random() < 0.1:
            good(d)
    good(d)
    assert lab.rdata(d.ask(NAME, tcp=True)) == [EU]


def ask_raw(s, data):
    s.send(data)
    s.settimeout(0.5 if not common.SLOW else 2)
    try:
        return s.recv(65535)
    except socket.timeout:
        return None


def test_a_well_formed_header_is_never_met_with_silence_and_an_answer_always_is(t):
    rng = random.Random(SEED)
    d = common.world(t)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", 53))
        for n in range(400):
            flags = rng.randrange(65536) & 0x7fff
            counts = rng.choice([(1, 0, 0, 0), (0, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1),
                                 (65535, 65535, 65535, 65535)])
            body = rng.choice([b"", b"\x03www\x04gslb\x07example\0\0\1\0\1", b"\xc0\x0c\0\1\0\1", b"\x3f", os.urandom(30)])
            got = ask_raw(s, struct.pack("!HHHHHH", n, flags, *counts) + body)
            assert got is not None, "silence to flags %04x counts %s body %r" % (flags, counts, body)
            assert got[:2] == struct.pack("!H", n) and got[2] & 0x80, "not an answer to it"
        for n in range(30):
            header = struct.pack("!HHHHHH", n, 0x8000 | rng.randrange(0x8000), 1, 0, 0, 0)
            s.send(header + b"\x03www\x04gslb\x07example\0\0\1\0\1")
        s.settimeout(0.5)
        try:
            got = s.recv(65535)
            raise AssertionError("an answer was answered: %r" % got)
        except socket.timeout:
            pass
    good(d)


def test_slow_and_partial_tcp_clients_delay_nobody(t):
    d = common.world(t)
    q = dns.message.make_query(NAME, "A").to_wire()
    frame = struct.pack("!H", len(q)) + q
    slow = [socket.create_connection(("127.0.0.1", 53), timeout=10) for _ in range(30)]
    for at in range(len(frame)):
        for s in slow:
            s.sendall(frame[at:at + 1])
        if at % 10 == 0:
            assert lab.rdata(d.ask(NAME, tcp=True)) == [EU]
    for s in slow:
        head = s.recv(2)
        assert len(head) == 2, "a slow client got its answer"
        s.close()
    stopped = socket.create_connection(("127.0.0.1", 53), timeout=10)  # asks and never reads
    stopped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stopped.settimeout(0.3)
    try:
        for _ in range(20000):
            stopped.sendall(frame)
    except OSError:
        pass
    good(d)
    assert lab.rdata(d.ask(NAME, tcp=True)) == [EU]
    stopped.close()


def test_pipelined_questions_all_come_back(t):
    common.world(t)
    q = dns.message.make_query(NAME, "A")
    with socket.create_connection(("127.0.0.1", 53), timeout=10) as s:
        out = b""
        for n in range(300):
            q.id = n
            w = q.to_wire()
            out += struct.pack("!H", len(w)) + w
        s.sendall(out)
        data, ids = b"", set()
        while len(ids) < 300:
            more = s.recv(65536)
            assert more, "closed after %d answers" % len(ids)
            data += more
            while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
                n = struct.unpack("!H", data[:2])[0]
                ids.add(struct.unpack("!H", data[2:4])[0])
                data = data[2 + n:]
        assert ids == set(range(300))


def test_two_thousand_idle_connections_leave_room(t):
    d = common.world(t)
    idle = []
    try:
        for n in range(2000):  # a source may have a hundred
            idle.append(socket.create_connection(("127.0.0.1", 53), timeout=10, source_address=("127.1.%d.1" % (n % 25), 0)))
    except OSError as e:
        print("    %d connections: %s" % (len(idle), e))
    good(d)
    assert lab.rdata(d.ask(NAME, tcp=True, timeout=5)) == [EU]
    assert d.status()["counters"]["tcp_open"] >= 0
    for s in idle:
        s.close()
    lab.wait_for("they are gone", lambda: d.status()["counters"]["tcp_open"] < 50, 10)
    good(d)


if __name__ == "__main__":
    lab.run(globals())
