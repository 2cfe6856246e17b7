#!/usr/bin/python3
"""Resolvers from Debian in front of Meridian: what they resolve, how long they keep it, and for whom."""

import ipaddress
import math
import os
import random
import re
import time

from common import (ECS, MANY_A, MANY_AAAA, NAMES, NS1, PARENT, POLICIES, REGIONS, RESOLVERS, ROOT, SERVERS, SLOW,
                    STEADY, TTL, ZONE, World, ask_together, endpoints, lab, masked, outcome, question, said, upstream)
import wire

import dns.rdatatype

LONDON, TOKYO = "127.1.0.5", "127.3.0.5"
PAGE = os.path.join(lab.SOURCE, "docs", "resolvers.md")


def seeded():
    seed = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 32)
    print("    SEED=%d" % seed)
    return random.Random(seed)


def through(resolver, name, rdtype="A", source=LONDON, **kw):
    return lab.ask(name, rdtype, server=RESOLVERS[resolver], source=source, recurse=True, **kw)


def whole(resolver, name, rdtype, **kw):
    """The answer, over TCP where it does not fit into UDP, as a stub resolver asks."""
    answer = through(resolver, name, rdtype, **kw)
    return through(resolver, name, rdtype, tcp=True, **kw) if answer.flags & lab.dns.flags.TC else answer


def below(name):
    return "%s.%s" % (name, ZONE)


def direct(resolver, name, rdtype):
    """What Meridian says to that resolver: to unbound, with the client's network."""
    return outcome(lab.ask(name, rdtype, server=NS1, source=RESOLVERS[resolver], tcp=True,
                           subnet=masked(LONDON, 24, 56) if resolver == "unbound" else None))


def with_target(answer, rdtype):
    """An answer that ends in an alias, as a resolver completes it."""
    rcode, records = answer
    edge = re.fullmatch(r"edge-(\w+)\.(gslb\.)?example\.", records[0][2]) if len(records) == 1 else None
    if edge and rdtype == "A":
        n = list(REGIONS).index(edge.group(1)) + (60 if edge.group(2) else 50)
        records = records + [(records[0][2], dns.rdatatype.A, "192.0.2.%d" % n)]
    return rcode, sorted(records)


def test_every_name_resolves_through_every_resolver(t):
    rng = seeded()
    w = World(t)
    w.resolvers()
    names = [NAMES[n] for n in POLICIES]
    names += [below(n) for n in ("ns1", "alias", "far", "x.wild", "x.y.wild", "wild", "one.two.three", "two.three",
                                 "a.b.c.d.e.f.g", "b.c.d.e.f.g", "g", "nothing", "below.nothing", "x.a.b.c.d.e.f.g",
                                 "below.geo")] + [ZONE]
    count = 0
    for resolver in RESOLVERS:
        for name in rng.sample(names, len(names)):
            for rdtype in ("A", "AAAA", "TXT", "TYPE65280"):
                got, want = outcome(whole(resolver, name, rdtype)), with_target(direct(resolver, name, rdtype), rdtype)
                if name == NAMES["weighted"]:  # drawn for each query: one of its addresses
                    possible = {e["address"] for e in endpoints(list(POLICIES).index("weighted"), "weighted")}
                    assert got[0] == want[0] and len(got[1]) == len(want[1]), (resolver, got, want)
                    assert {text for _, _, text in got[1]} <= possible, (resolver, got)
                else:
                    assert got == want, (resolver, name, rdtype, got, want)
                count += 1
        for name, rcode, n in (("nothing", "NXDOMAIN", 0), ("two.three", "NOERROR", 0), ("x.y.wild", "NOERROR", 1),
                               ("a.b.nothing", "NXDOMAIN", 0), ("nearest", "NOERROR", 1), ("host", "NOERROR", 2)):
            answer = through(resolver, below(name))
            assert lab.dns.rcode.to_text(answer.rcode()) == rcode, (resolver, answer)
            assert len(answer.answer) == n, (resolver, answer)
        for rdtype, n in (("A", MANY_A), ("AAAA", MANY_AAAA)):
            assert len(lab.rdata(whole(resolver, NAMES["many"], rdtype), rdtype)) == n
        # It came here over the delegation: the parent was asked, and named our servers.
        w.recorder.settle()
        asked = [m for m in upstream(w.recorder.since(), resolver, {PARENT}) if m.name.lower().endswith(ZONE)]
        assert asked, "%s did not ask the parent" % resolver
    print("    %d answers, all as Meridian gives them" % count)
    w.close()


# --- what each of them does, and the page that says so -------------------------------------------------------------


def seen(w, resolver):
    """What a resolver does, as it shows in what it sends to Meridian: the columns of the page."""
    out, begin = {}, w.recorder.count()

    def asked(name, rdtype="A", **kw):
        """An answer, and the queries to Meridian that it took."""
        n = w.recorder.count()
        answer = whole(resolver, name, rdtype, **kw)
        w.recorder.settle()
        return answer, upstream(w.recorder.since(n), resolver)

    deep = below("a.b.c.d.e.f.g")
    answer, queries = asked(deep, "TXT")
    assert lab.rdata(answer, "TXT") == ['"deep"'], answer
    out["minimises names"] = queries[0].name.lower() != deep
    missing = below("a.b.c.missing")
    answer, queries = asked(missing)
    assert answer.rcode() == lab.dns.rcode.NXDOMAIN, answer
    out["strictly"] = out["minimises names"] and all(m.name.lower() != missing for m in queries)

    n = w.recorder.count()
    answer, queries = asked(NAMES["many"])
    assert len(lab.rdata(answer)) == MANY_A
    cut = [m for m in w.recorder.since(n) if not m.is_query and m.src in SERVERS and m.truncated]
    out["TCP when truncated"] = bool(cut) and any(m.tcp for m in queries)

    answer, queries = asked(NAMES["dual"], source=LONDON)
    assert queries, "nothing was asked"
    again, queries = asked(NAMES["dual"], source=TOKYO)
    differ = lab.rdata(answer) != lab.rdata(again)
    assert differ == bool(queries), (resolver, answer, again, queries)
    aliases = [lab.rdata(whole(resolver, NAMES["host"], "A", source=source), "CNAME") for source in (LONDON, TOKYO)]
    out["also across an alias"] = aliases[0] != aliases[1]
    third, more = asked(NAMES["dual"], source="127.1.77.7")  # London: whoever separates has it by now
    assert not more and lab.rdata(third) == lab.rdata(answer), (resolver, third, more)
    out["caches by subnet"] = differ

    first, queries = asked(below("nobody"))
    assert queries and first.authority[0].ttl == TTL, (resolver, first, queries)
    again, queries = asked(below("nobody"))
    assert again.rcode() == lab.dns.rcode.NXDOMAIN and again.authority[0].ttl <= TTL, again
    out["caches negative answers"] = not queries

    for name in STEADY:
        asked(NAMES[name])
    queries = upstream(w.recorder.since(begin), resolver)
    assert len(queries) > 12, queries
    mixed = [m for m in queries if m.name not in (m.name.lower(), m.name.upper())]
    assert not mixed or len(mixed) > 0.9 * len(queries), "0x20 now and then: %d of %d" % (len(mixed), len(queries))
    out["0x20"] = bool(mixed)
    out["sends cookies"] = any(m.option(wire.COOKIE) for m in queries)
    out["sends client subnets"] = any(m.option(wire.SUBNET) for m in queries)
    # The case of the question comes back as it was sent.
    sent = {(m.src, m.sport, m.id): m for m in queries if not m.tcp}
    replies = [m for m in w.recorder.since(begin) if not m.is_query and (m.dst, m.dport, m.id) in sent]
    assert replies and all(m.name == sent[m.dst, m.dport, m.id].name for m in replies)
    # Nobody who minimises has told the parent a name below ours.
    told = [m.name for m in upstream(w.recorder.since(begin), resolver, {ROOT, PARENT}) if
            m.name.lower().endswith("." + ZONE)]
    assert not (out["minimises names"] and told), (resolver, told)
    if out["sends cookies"]:  # who misses the one that he expects asks again over TCP
        assert {m.name.lower() for m in queries if m.tcp} <= {NAMES["many"]}, "TCP without need"
    if w.cookies and out["sends cookies"]:
        full = [m for m in queries if len(m.option(wire.COOKIE) or b"") >= 16]
        print("    %s: %d of %d queries with our cookie" % (resolver, len(full), len(queries)))
        assert len(full) > len(queries) / 2, "%s does not return our cookies" % resolver
        assert w.meridian.status()["counters"]["cookies_valid"] >= len(full), "cookies of ours that we do not know"
    return out


def page():
    """The table of docs/resolvers.md: {resolver: {column: yes?}}."""
    with open(PAGE, encoding="utf-8") as f:
        table = re.search(r"(?:^\|.*\n)+", f.read(), re.M).group(0)  # the first one
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines()]
    head, out = rows[0], {}
    for row in rows[2:]:
        assert len(row) == len(head) and set(row[1:]) <= {"yes", "no"}, row
        out[re.sub(r"\s+[\d.]+$", "", row[0])] = {c: v == "yes" for c, v in zip(head[1:], row[1:])}
    return out


def test_each_resolver_does_what_the_documentation_says(t):
    w = World(t)
    w.resolvers()
    got = {resolver: seen(w, resolver) for resolver in RESOLVERS}
    for resolver, columns in got.items():
        print("    %s: %s" % (resolver, ", ".join(c if yes else "not: " + c for c, yes in columns.items())))
    claims = page()
    assert set(claims) == set(got), "docs/resolvers.md is about %s" % sorted(claims)
    for resolver, columns in got.items():
        differ = [c for c in sorted(set(columns) | set(claims[resolver])) if columns.get(c) != claims[resolver].get(c)]
        assert not differ, "docs/resolvers.md is wrong about %s: %s" % (resolver, ", ".join(differ))
    w.close()


# --- for how long -------------------------------------------------------------------------------------------------

# Resolvers count in whole seconds: what they keep for 3 s they keep for more than 2 and less than 4.
WHOLE = 1.0
ROUND = 0.5 if SLOW else 0.25  # how far the second they believe in may be behind the clock's


class Fetch:
    """One answer of Meridian's in a resolver, and what clients were told from it."""

    def __init__(self, message):
        self.at, self.data = message.at, [message.data()]
        self.told_at = None  # when the first client had it: by then it was in the cache
        self.ended = None  # when it was asked for again


def lives(messages, resolver, name, rdtype, ttl):
    """Follows one name in one resolver through the recording; checks each answer and each life. Where the
    machine stalls, a resolver repeats a query that is being answered: until a client was told, that is one life."""
    address, fetches, waiting, told = RESOLVERS[resolver], [], {}, 0
    what = "%s with %s %s of %d s" % (resolver, name, rdtype, ttl)
    for m in messages:
        if m.key != (name, rdtype):
            continue
        f = fetches[-1] if fetches and fetches[-1].ended is None else None
        if m.dst in SERVERS and m.src == address:
            if f and f.told_at is not None:
                f.ended = m.at
                assert m.at - f.at > ttl - WHOLE - ROUND, "%s: asked again after %.3f s" % (what, m.at - f.at)
        elif m.src in SERVERS and m.dst == address:
            assert m.ttl() == ttl, m
            if f:
                f.data.append(m.data())
            else:
                fetches.append(Fetch(m))
        elif m.dst == address and m.is_query:
            waiting[m.src, m.sport, m.id] = m
        elif m.src == address and not m.is_query:
            asked, told = waiting.pop((m.dst, m.dport, m.id)).at, told + 1
            assert f, "%s: an answer from nowhere: %s" % (what, m)
            assert m.data() in f.data, "%s: says %s, Meridian said %s" % (what, m.data(), f.data)
            shown = m.ttl()
            if f.told_at is None:
                f.told_at = m.at
                crossed = math.floor(m.at) - math.floor(f.at - ROUND)
                assert ttl - crossed <= shown <= ttl, "%s: begins with TTL %d" % (what, shown)
            # Older than this it must not be, even to a resolver that counts from the end of a second.
            age = asked - f.told_at
            assert age < ttl + WHOLE + ROUND, "%s: kept for %.3f s" % (what, age)
            low, high = ttl - (m.at - f.at) - WHOLE - ROUND, ttl - age + WHOLE + ROUND
            assert low < shown < high, "%s: shown with TTL %d, not in %.2f to %.2f" % (what, shown, low, high)
    ended = [f.ended - f.at for f in fetches if f.ended is not None]
    assert ended, "%s: never asked for again" % what
    return told, fetches, ended


def test_what_is_cached_lives_exactly_as_long_as_its_ttl(t):
    more = [{"name": below(name), "policy": "failover", "ttl": int(name[3]),
             "endpoints": [{"region": "eu", "address": "203.0.113." + name[3]}]}
            for name in ("ttl2", "ttl3", "ttl2-no6")]
    near = endpoints(len(POLICIES), "near")  # of a scope longer than 0
    more.append({"name": below("ttl2-near"), "policy": "nearest", "ttl": 2, "endpoints": near})
    w = World(t, more=more, negative_ttl=3)
    w.resolvers()
    # A service's negative answers live no longer than its positive ones. No name is asked for two types:
    # unbound asks for A on its way to the last label.
    names = [(below("ttl2"), "A", 2), (below("ttl3"), "A", 3), (below("short"), "A", 2), (below("ttl2-no6"), "AAAA", 2),
             (below("one.two.three"), "AAAA", 3), (below("missing"), "A", 3), (below("ttl2-near"), "A", 2)]
    for resolver in RESOLVERS:  # the way there is known before the clock runs
        assert lab.rdata(through(resolver, NAMES["failover"]))
    begin = w.recorder.count()

    queries = [(question(name, rdtype, None, i), LONDON) for i, (name, rdtype, _) in enumerate(names)]
    began, changed = time.monotonic(), False
    while time.monotonic() < began + (8.2 if not SLOW else 10):
        for address in RESOLVERS.values():
            ask_together(address, queries)
        if not changed and time.monotonic() > began + 0.6:  # in the middle of a life
            for n in (2, 3):
                t.meridian("endpoint", "add", below("ttl%d" % n), "eu", "203.0.113.1%d" % n, "--priority", "1")
                t.meridian("endpoint", "remove", below("ttl%d" % n), "eu", "203.0.113.%d" % n)
            changed = True
        time.sleep(0.1)
    w.recorder.settle()
    messages = w.recorder.since(begin)
    for resolver in RESOLVERS:
        told, lived = 0, []
        for name, rdtype, ttl in names:
            n, fetches, ended = lives(messages, resolver, name, rdtype, ttl)
            told += n
            lived += ["%.2f of %d" % (e, ttl) for e in ended[:1]]
            if name in (below("ttl2"), below("ttl3")):
                assert "203.0.113.%d" % ttl in str(fetches[0].data), fetches[0].data  # the old address at first,
                assert "203.0.113.1%d" % ttl in str(fetches[-1].data), fetches[-1].data  # and at last the new one
        print("    %s: %d answers; asked again after %s s" % (resolver, told, ", ".join(lived)))
    w.close()


# --- for whom -----------------------------------------------------------------------------------------------------


def csv_networks():
    with open(os.path.join(lab.SOURCE, "geoip", "demo.csv"), encoding="utf-8") as f:
        return [ipaddress.ip_network(line.split(",")[0]) for line in f if re.match(r"[0-9a-f:.]+/\d+,", line)]


def draw_clients(rng, n):
    """(address, how): "source" asks from that address, "option" says it in a client subnet."""
    networks, out = csv_networks(), []
    edges = ["127.7.127.0/24", "127.7.128.0/20", "127.7.129.0/24", "127.7.200.0/24", "127.7.200.80/29",
             "2001:db8:7::/48", "2001:db8:7:100::/56", "2001:db8:7:101::/120"]
    private = ["10.1.2.0/24", "192.168.7.0/24", "fd00:1::/32"]
    for _ in range(n):
        kind = rng.random()
        if kind < 0.35:
            out.append(("127.%d.%d.%d" % (rng.randint(1, 9), rng.randint(0, 255), rng.randint(1, 254)), "source"))
            continue
        if kind < 0.55:
            network = ipaddress.ip_network(rng.choice(edges))
        elif kind < 0.85:
            network = rng.choice(networks)
        elif kind < 0.9:
            network = ipaddress.ip_network(rng.choice(private))
        else:
            network = ipaddress.ip_network(rng.choice(("0.0.0.0/1", "128.0.0.0/2", "2000::/3")))
        out.append((str(network[rng.randrange(network.num_addresses)]), "option"))
    return out


def in_order(server, queries, at_once=50):
    out = []
    for i in range(0, len(queries), at_once):
        out += ask_together(server, queries[i:i + at_once])
    return out


def through_a_subnet_cache(w, address, bits4, bits6, rng, clients):
    """Every client asks for several names, all in random order, many at once; each answer must be his own."""
    # "host" is left out for what the page says of aliases: its targets' server takes no client subnets.
    services = [(NAMES[n], "A") for n in STEADY if n not in ("many", "host")]
    services += [(NAMES[n], "AAAA") for n in ("dual", "geo")]
    asks = [(client, how, name, rdtype) for client, how in clients for name, rdtype in rng.sample(services, 6)]
    asks += rng.sample(asks, len(asks) // 4)  # some come again
    rng.shuffle(asks)
    begin = w.recorder.count()
    got = in_order(address, [
        (question(name, rdtype, masked(client, 32, 128) if how == "option" else None, i),
         client if how == "source" else LONDON)
        for i, (client, how, name, rdtype) in enumerate(asks)])
    w.recorder.settle()
    queries = [m for m in upstream(w.recorder.since(begin), address) if m.name.lower() in NAMES.values()]
    keys = sorted({(name, rdtype, masked(client, bits4, bits6)) for client, _, name, rdtype in asks})
    wanted = dict(zip(keys, in_order(NS1, [(question(*key, i), address) for i, key in enumerate(keys)])))
    wrong = []
    for (client, how, name, rdtype), answer in zip(asks, got):
        want = said(wanted[name, rdtype, masked(client, bits4, bits6)])
        if said(answer) != want:
            wrong.append((client, how, name, rdtype, said(answer), want))
    assert not wrong, "%d of %d had another network's answer: %s" % (len(wrong), len(asks), wrong[:5])
    networks = {masked(client, bits4, bits6) for client, _ in clients}
    kinds = len({(name, str(said(a))) for (name, _, _), a in wanted.items()})
    print("    /%d and /%d: %d clients of %d networks, %d answers of %d kinds, none wrong, for %d queries to Meridian" %
          (bits4, bits6, len(clients), len(networks), len(asks), kinds, len(queries)))
    assert all(m.option(wire.SUBNET) for m in queries), "a query without the client's network"
    assert len(queries) < 0.9 * len(asks), "nothing came from the cache"
    assert kinds > 30, "too few kinds of answers to tell networks apart"


def test_a_cache_by_subnet_never_serves_another_networks_answer(t):
    rng = seeded()
    w = World(t)
    w.resolvers()
    exact = t.address("198.18.54.11")
    w.recorder.addresses.add(exact)
    t.resolver(exact, ROOT, ECS, top=".", name="unbound-exact",
               more="server:\n    max-client-subnet-ipv4: 32\n    max-client-subnet-ipv6: 128\n")
    n = 120 if SLOW else 400
    through_a_subnet_cache(w, RESOLVERS["unbound"], 24, 56, rng, draw_clients(rng, n))
    through_a_subnet_cache(w, exact, 32, 128, rng, draw_clients(rng, n))
    w.close()


if __name__ == "__main__":
    lab.run(globals())
