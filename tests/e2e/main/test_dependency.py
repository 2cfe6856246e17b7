"""Probes of probes, and a region that depends on a shared service, against real sockets that die."""

import socket
import threading

import common
from common import lab

EU, US = "127.0.1.1", "127.0.1.2"
DB_EU, DB_US = "127.0.2.1", "127.0.2.2"


class Database:
    """A TCP server that greets; it can be closed and opened again."""

    def __init__(self, address, port=5432):
        self.at, self.socket = (address, port), None
        self.open()

    def open(self):
        self.socket = socket.create_server(self.at)
        threading.Thread(target=self.serve, args=(self.socket,), daemon=True).start()

    def serve(self, s):
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            with c:
                c.sendall(b"ready\r\n")

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def world(t):
    common.base_world(t)
    t.meridian("probe add web --type http --port 80 --path / --interval 500ms --timeout 400ms --fall 2 --rise 1")
    for name, at in (("eu", DB_EU), ("us", DB_US)):
        t.meridian("probe add db-%s --type tcp --port 5432 --expect ready --target %s --interval 500ms --timeout 400ms"
                   " --fall 2 --rise 1" % (name, at))
        t.meridian("region add %s --depends-on db-%s" % (name, name))
    for name, probe in (("www", "--probe web"), ("api", "")):
        t.meridian("service add %s.gslb.example --policy failover --ttl 2 --hold 1s --ramp 1s %s" % (name, probe))
        for n, (region, at) in enumerate((("eu", EU), ("us", US))):
            t.meridian("endpoint add %s.gslb.example %s %s --priority %d" % (name, region, at, n + 1))
    return t.region("eu", EU), t.region("us", US)


def now(d, name="www"):
    return lab.rdata(d.ask(name + ".gslb.example"))[0]


def wait_for_answer(d, address, seconds=60):
    lab.wait_for("both answers are %s" % address, lambda: now(d) == address and now(d, "api") == address, seconds)


def known(d):
    """All that is probed has been seen."""
    return all(r["observed"] == "up" and r["dependency"]["observed"] == "up" for r in d.status()["regions"])


def test_a_region_leaves_for_all_its_services_when_its_database_dies(t):
    world(t)
    eu, us = Database(DB_EU), Database(DB_US)
    d = t.daemon()
    lab.wait_for("all is up", lambda: known(d))
    assert now(d) == EU and now(d, "api") == EU
    eu.close()
    wait_for_answer(d, US)
    region = d.region("eu")
    assert region["effective"] == 0 and region["observed"] == "down", region
    assert region["why"] == "depends on db-eu 127.0.2.1:5432, which is down", region
    assert region["dependency"]["probe"] == "db-eu" and region["dependency"]["observed"] == "down", region
    assert "connection refused" in region["dependency"]["last"], region
    assert 'rule=dependency cause="db-eu 127.0.2.1:5432 down"' in d.log()
    # A restart serves what was known, with its first answer.
    d.stop()
    d = t.daemon(name="again")
    assert now(d) == US and now(d, "api") == US
    # The other database too: nothing is left, so nothing more moves.
    us.close()
    lab.wait_for("it is said", lambda: "blocked-by=last-region" in d.log(), 60)
    assert d.region("us")["effective"] == 1, d.region("us")
    assert "blocked by last-region" in t.meridian("status").stdout
    us.open()
    eu.open()
    lab.wait_for("all is up", lambda: known(d), 60)
    wait_for_answer(d, EU, 120)  # after the region's hold
    eu.close()
    us.close()


def test_what_all_regions_share_moves_nothing(t):
    world(t)
    t.meridian("region set us --depends-on db-eu")
    shared = Database(DB_EU)
    d = t.daemon()
    lab.wait_for("all is up", lambda: known(d))
    shared.close()
    lab.wait_for("it is said of both", lambda: d.log().count("blocked-by=last-region") == 2, 60)
    assert "rule=dependency" not in d.log(), d.log()
    assert now(d) == EU and now(d, "api") == EU
    got = t.meridian("probe remove db-eu", ok=None)
    assert got.returncode == 1 and "region eu" in got.stderr, got
    t.meridian("region set eu --depends-on ''")
    assert d.region("eu")["dependency"] is None
    wait_for_answer(d, EU)
    lab.wait_for("us leaves, since eu stands", lambda: d.region("us")["effective"] == 0)


def test_an_endpoint_is_checked_by_several_probes(t):
    world(t)
    for region in ("eu", "us"):
        t.meridian("region set %s --depends-on ''" % region)
    t.meridian("probe add both --type all --of web --of db-eu --interval 500ms --timeout 400ms --fall 2 --rise 1")
    t.meridian("endpoint set www.gslb.example eu %s --probe both" % EU)
    db = Database(DB_EU)
    d = t.daemon()
    lab.wait_for("eu is up", lambda: d.region("eu")["observed"] == "up")
    out = t.meridian("probe run both www.gslb.example eu %s" % EU).stdout
    assert "2 of 2 ok" in out, out
    assert "found" in t.meridian("probe run db-eu").stdout
    db.close()
    lab.wait_for("its answer is us", lambda: now(d) == US, 60)
    assert now(d, "api") == EU  # nobody checks that
    got = t.meridian("probe run both www.gslb.example eu %s" % EU, ok=None)
    assert got.returncode == 1 and "1 of 2 failed, 2 needed: db-eu: " in got.stdout, got
    # One of the two is enough for `any`: the edit is in force at once, and the endpoint rises.
    t.meridian("probe set both --type any")
    lab.wait_for("its answer is eu", lambda: now(d) == EU, 60)


if __name__ == "__main__":
    lab.run(globals())
