"""Client networks, and asking for thousands of them: EDNS client subnets over UDP, many at a time."""

import collections
import ipaddress
import random
import socket
import struct

IN_FLIGHT = 64  # queries: as a busy resolver has them, and far from filling any buffer
SILENCE_MAX = 30  # seconds without an answer in a row

Client = collections.namedtuple("Client", "size value bits")  # 32 or 128; the address; prefix length
Answer = collections.namedtuple("Answer", "address scope")


def client(text):
    network = ipaddress.ip_network(text)
    return Client(network.max_prefixlen, int(network.network_address), network.prefixlen)


def text(c):
    make = ipaddress.IPv4Address if c.size == 32 else ipaddress.IPv6Address
    return "%s/%d" % (make(c.value), c.bits)


def block(c, scope):
    """What a scope covers around a client: a key that all clients in it have in common."""
    return c.size, c.value >> (c.size - scope), scope


def someone_in(covered, rng):
    """A client of a full address in such a block."""
    size, prefix, scope = covered
    return Client(size, prefix << (size - scope) | rng.getrandbits(size - scope) if scope < size else prefix, size)


def question(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0" + struct.pack("!HH", 1, 1)


def subnet(c):
    """The client's option but for the scope: code, length, family, source prefix; and the address."""
    octets = (c.bits + 7) // 8
    return (struct.pack("!HHHB", 8, 4 + octets, 1 if c.size == 32 else 2, c.bits),
            c.value.to_bytes(c.size // 8, "big")[:octets])


def query(number, asked, option):
    return struct.pack("!HHHHHH", number, 0, 1, 0, 0, 1) + asked + b"\0" + struct.pack(
        "!HHIH", 41, 1232, 0, 8 + len(option[1])) + option[0] + b"\0" + option[1]


def read(packet, asked, option):
    """One address, and our own subnet with a scope: nothing else is an answer."""
    at = 12 + len(asked)
    assert packet[3] & 15 == 0 and packet[4:at] == struct.pack("!HHHH", 1, 1, 0, 1) + asked, packet.hex()
    assert packet[at:at + 6] == b"\xc0\x0c\0\1\0\1" and packet[at + 16:at + 19] == b"\0\0\x29", packet.hex()
    mine = at + 16 + 11
    scope = mine + len(option[0])
    assert packet[mine:scope] + packet[scope + 1:] == option[0] + option[1], packet.hex()
    return Answer(socket.inet_ntoa(packet[at + 12:at + 16]), packet[scope])


def ask_all(names, clients, server):
    """By name, what each of these clients is answered, in their order. Who gets no answer is asked for again.
    All names of a client are asked at once, so that what moves meanwhile shows in all of them."""
    asked, options = [question(name) for name in names], [subnet(c) for c in clients]
    answers = [None] * len(names) * len(clients)  # by number of the query
    assert len(answers) <= 65536
    todo, flying, silent = collections.deque(range(len(answers))), set(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # a new one each time: no answer from before
        s.connect((server, 53))
        s.settimeout(1)
        while todo or flying:
            while todo and len(flying) < IN_FLIGHT:
                number = todo.popleft()
                if answers[number] is None:
                    s.send(query(number, asked[number % len(names)], options[number // len(names)]))
                    flying.add(number)
            if not flying:
                break
            try:
                packet = s.recv(2048)
            except socket.timeout:
                silent += 1
                assert silent < SILENCE_MAX, "%s leaves %d queries without an answer" % (server, len(flying))
                todo.extend(flying)
                flying.clear()
                continue
            silent = 0
            (number,) = struct.unpack("!H", packet[:2])
            flying.discard(number)
            if answers[number] is None:
                answers[number] = read(packet, asked[number % len(names)], options[number // len(names)])
    return {name: answers[i::len(names)] for i, name in enumerate(names)}


def uniform(name, clients, answers, server, rng, sample=400):
    """Every address that an answer's scope covers gets that answer, with that scope: among the clients, and
    of strangers in the blocks. Returns how many blocks there are."""
    blocks = {}
    for c, a in zip(clients, answers):
        assert blocks.setdefault(block(c, a.scope), a) == a, "two answers in the scope of %s: %s and %s" % (
            text(c), blocks[block(c, a.scope)], a)
    lengths = {size: {scope for s, _, scope in blocks if s == size} for size in (32, 128)}
    for c, a in zip(clients, answers):
        for scope in lengths[c.size]:
            other = blocks.get(block(c, scope), a)
            assert other == a, "%s got %s in a block that was told %s" % (text(c), a, other)
    chosen = rng.sample(sorted(blocks), min(sample, len(blocks)))
    strangers = [someone_in(b, rng) for b in chosen]
    for b, c, a in zip(chosen, strangers, ask_all([name], strangers, server)[name]):
        assert a == blocks[b], "%s got %s, its block of /%d was told %s" % (text(c), a, b[2], blocks[b])
    return len(blocks)


def spread(blocks, of_each, seed):
    """So many networks, drawn from each of these blocks: /24s of IPv4, /48s of IPv6; places mixed."""
    rng, out = random.Random(seed), []
    for one in blocks:
        outer = client(one)
        length = 24 if outer.size == 32 else 48
        for i in rng.sample(range(1 << (length - outer.bits)), of_each[outer.size]):
            out.append(Client(outer.size, outer.value + (i << (outer.size - length)), length))
    rng.shuffle(out)
    return out
