"""Five regions with real web servers, the daemon, and thousands of client networks that ask where to go."""

import json
import math
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402
import networks  # noqa: E402

SLOW = bool(os.environ.get("MERIDIAN_E2E_SLOW"))
SEED = int(os.environ.get("SEED", "1"))
SERVER = "127.53.0.1"
REGIONS = {  # where it is, weight of its endpoints; the first one's servers are in 127.1.0.0/16, and so on
    "london": ((51.51, -0.13), 100),
    "ashburn": ((39.04, -77.49), 150),
    "tokyo": ((35.68, 139.69), 50),
    "sydney": ((-33.87, 151.21), 80),
    "saopaulo": ((-23.55, -46.63), 120)}
STICKY, NEAREST, BOTH = "sticky.gslb.example", "nearest.gslb.example", "both.gslb.example"
POLICIES = {STICKY: "sticky", NEAREST: "nearest", BOTH: "nearest within=9000km | sticky"}
# Where the clients are: eleven places of a /14 and a /32 each, the last of which no database knows.
PLACES = ("EU,GB,London,51.51,-0.13", "EU,DE,Frankfurt,50.11,8.68", "NA,US,New York,40.71,-74.01",
          "NA,US,Los Angeles,34.05,-118.24", "AS,JP,Tokyo,35.68,139.69", "AS,SG,Singapore,1.35,103.82",
          "OC,AU,Sydney,-33.87,151.21", "OC,NZ,Auckland,-36.85,174.76", "SA,BR,Sao Paulo,-23.55,-46.63",
          "AF,ZA,Johannesburg,-26.20,28.05", None)
BLOCKS = [("20.%d.0.0/14" % (4 * i), "2600:%d::/32" % (100 + i)) for i in range(len(PLACES))]
OF_EACH = {32: 150, 128: 20} if SLOW else {32: 300, 128: 40}
MOST = 1.02  # of the fewest networks that can move


def address(region, service=None):
    """The web server of a region, or one that it has for one service only."""
    return "127.%d.%d.10" % (1 + list(REGIONS).index(region), 1 + list(POLICIES).index(service) if service else 0)


def document(geo, apart):
    """The configuration. apart: by service, in which region it has a server of its own."""
    return {
        # A machine that is busy must not look like a region that is ill: no error rate by so few probes.
        "settings": {"geo": geo, "min-samples": "1000"},
        "zones": [{"name": "gslb.example", "ns": [{"name": "ns1.gslb.example", "addresses": [SERVER]}]}],
        "regions": [{"name": name, "at": at} for name, (at, _) in REGIONS.items()],
        "probes": [{"name": "web", "path": "/healthz", "interval": "2s", "timeout": "1900ms", "fall": 3, "rise": 2}],
        "services": [{"name": s, "policy": policy, "probe": "web", "ttl": 5, "hold": "1s", "ramp": "8s", "endpoints": [
            {"region": r, "address": address(r, s if apart.get(s) == r else None), "weight": weight}
            for r, (_, weight) in REGIONS.items()]} for s, policy in POLICIES.items()]}


class World:
    def __init__(self, t, apart={}):
        print("    SEED=%d" % SEED)
        self.t, self.rng = t, random.Random(SEED)
        self.clients = networks.spread([b for pair in BLOCKS for b in pair], OF_EACH, SEED)
        t.meridian("init")
        geo = t.geo("network,continent,country,city,lat,lon\n" + "".join(
            "%s,%s\n" % (b, place) for pair, place in zip(BLOCKS, PLACES) if place for b in pair))
        t.meridian("apply", t.write("world.json", json.dumps(document(geo, apart))))
        self.region_at, self.servers = {}, {}
        for r, s in [(r, None) for r in REGIONS] + [(r, s) for s, r in apart.items()]:
            self.region_at[address(r, s)] = r
            self.servers[r, s] = t.region(r + "-" + s if s else r, address(r, s))
        self.daemon = t.daemon(listen=[SERVER + ":53"])

    def sites(self, service):
        return self.daemon.status(service)["services"][0]["sites"]

    def effective(self, service, region):
        """What is in force of a service in a region: the smaller of both."""
        (site,) = [x for x in self.sites(service) if x["region"] == region]
        return min(site["effective"], self.daemon.region(region)["effective"])

    def homes(self, services=tuple(POLICIES)):
        """Where everybody is sent, by service: a list of regions in the order of the clients."""
        answers = networks.ask_all(list(services), self.clients, SERVER)
        return {s: [self.region_at[a.address] for a in answers[s]] for s in services}

    def homes_and_scopes(self):
        """The same while nothing moves: every scope must keep its word."""
        answers = networks.ask_all(list(POLICIES), self.clients, SERVER)
        for s in POLICIES:
            networks.uniform(s, self.clients, answers[s], SERVER, self.rng)
        return {s: [self.region_at[a.address] for a in answers[s]] for s in POLICIES}

    def start_again(self, region, service=None):
        name = region + "-" + service if service else region
        self.servers[region, service] = self.t.region(name, address(region, service))


def indices(homes, region):
    return {i for i, at in enumerate(homes) if at == region}


def residents(before, where):
    """By service, who lives in the region named for it."""
    return {s: indices(before[s], region) for s, region in where.items()}


def check_share(what, count, of, share):
    """A hash decides for each with this chance; the networks are always the same, and so is the count."""
    assert abs(count - share * of) <= 4 * math.sqrt(of * share * (1 - share)), "%s: %d of %d, not %.3f of them" % (
        what, count, of, share)


def fewest(before, after):
    """How many have to move, at least, to come from one distribution to the other."""
    return sum(max(0, before.count(r) - after.count(r)) for r in REGIONS)


def check_moved(before, after, where, kept=0.0):
    """The residents of the region named for a service moved, all but the share that it keeps, and nobody
    else. Returns, by service, who."""
    out = {}
    for s, lived in residents(before, where).items():
        went = {i for i, (a, b) in enumerate(zip(before[s], after[s])) if a != b}
        least = fewest(before[s], after[s])
        assert lived, "nobody of %s lives in %s" % (s, where[s])
        assert went <= lived, "%s: %d moved who do not live in %s" % (s, len(went - lived), where[s])
        assert len(went) <= MOST * least, "%s: %d moved, %d had to" % (s, len(went), least)
        check_share("%s: stayed in %s" % (s, where[s]), len(lived) - len(went), len(lived), kept)
        print("    %s %s keeps %.3f: %d of %d left, %.3f of the fewest possible"
              % (s.split(".")[0], where[s], kept, len(went), len(lived), len(went) / least))
        out[s] = went
    return out


class Return:
    """Watches the residents of a region come home: nobody moves but from away to home, and once."""

    def __init__(self, w, where, before, away, depth=None):
        """depth: by service, of each who left in steps, the last step in which it was still there."""
        self.w, self.where, self.before, self.away, self.depth = w, where, before, away, depth
        self.lived = residents(before, where)
        self.home, self.seen = {s: set() for s in POLICIES}, {s: set() for s in POLICIES}

    def look(self, s, now):
        at_home = {i for i in self.lived[s] if now[i] == self.where[s]}
        assert self.home[s] <= at_home, "%s: %d that had come back left again" % (s, len(self.home[s] - at_home))
        astray = [i for i in range(len(now)) if now[i] != (self.before[s] if i in at_home else self.away[s])[i]]
        assert not astray, "%s: %d are astray, %s in %s" % (
            s, len(astray), networks.text(self.w.clients[astray[0]]), now[astray[0]])
        if self.depth:  # whoever was back before this look began, all who left later than he are back now
            first = min((self.depth[s][i] for i in self.home[s]), default=math.inf)
            late = [i for i in self.lived[s] - at_home if self.depth[s][i] > first]
            assert not late, "%s: %d who left later are not back first" % (s, len(late))
        self.home[s] = at_home
        self.seen[s].add(len(at_home))

    def check(self):
        """Asks all again and again until everybody is back where he was."""
        deadline = time.monotonic() + 120
        while self.home != self.lived:
            assert time.monotonic() < deadline, "not back: %s" % {s: len(self.lived[s] - self.home[s]) for s in POLICIES}
            for s, now in self.w.homes().items():
                self.look(s, now)
        for s in POLICIES:
            stayed = sum(self.away[s][i] == self.where[s] for i in self.lived[s])
            print("    %s %s: back in steps %s" % (s.split(".")[0], self.where[s], sorted(self.seen[s])))
            assert self.seen[s] - {stayed, len(self.lived[s])}, "%s came back in one jump" % s
            lab.wait_for("at 1", lambda: self.w.effective(s, self.where[s]) == 1, 60)
        assert self.w.homes_and_scopes() == self.before, "not everybody is where he was"


def leave_in_steps(w, before, where):
    """Drains the regions one after the other, step by step, and takes that back. Returns, by service, of each
    resident the last step in which it was still there, and where it was sent after it: once, and no further."""
    depth = {s: dict.fromkeys(lived, 0) for s, lived in residents(before, where).items()}
    refuge = {s: {} for s in where}
    for region in sorted(set(where.values())):
        losers = {s: r for s, r in where.items() if r == region}
        for number, kept in enumerate((0.8, 0.6, 0.4, 0.2), 1):
            w.t.meridian("drain %s --to %g --reason 'a test'" % (region, kept))
            now = w.homes(losers)
            for s, gone in check_moved(before, now, losers, kept).items():
                assert all(now[s][i] == at for i, at in refuge[s].items()), "%s: a deeper drain moved them again" % s
                assert len(gone) > len(refuge[s])
                refuge[s].update((i, now[s][i]) for i in gone)
                depth[s].update((i, number) for i in depth[s] if i not in gone)
        w.t.meridian("undrain %s" % region)
    assert w.homes() == before, "the drains are over, and not everybody is where he was"
    return depth, refuge


def crash_and_return(w, before, crash, restart, where, depth, refuge):
    """From the first verdicts over the moment that the servers go until everybody is home."""
    for s in POLICIES:
        lab.wait_for("first verdicts", lambda: all(x["observed"] == "up" for x in w.sites(s)), 60)
    crash()
    for s in POLICIES:
        lab.wait_for("out", lambda: w.effective(s, where[s]) == 0, 60)
    away = w.homes_and_scopes()
    assert check_moved(before, away, where) == residents(before, where)
    for s in POLICIES:
        assert all(away[s][i] == at for i, at in refuge[s].items()), "%s: a crash leads elsewhere than a drain" % s
    restart()
    Return(w, where, before, away, depth).check()
