"""Weights, drains and sticky clients, measured with queries."""

import common
from common import lab

EU, US, ASIA = "203.0.113.1", "203.0.113.2", "203.0.113.3"


def world(t, policy, weights=(100, 100, 100), more=""):
    common.base_world(t)
    for name, at in (("eu", "51.5,-0.1"), ("us", "39.0,-77.5"), ("asia", "35.7,139.8")):
        t.meridian("region add %s --at %s" % (name, at))
    t.meridian("map add world")
    t.meridian("map rule add world net:100.0.0.0/8 eu,us,asia")
    t.meridian("map rule add world default us,eu,asia")
    t.meridian("service add www.gslb.example --ttl 30 --map world %s --policy '%s'" % (more, policy))
    for region, address, weight in (("eu", EU, weights[0]), ("us", US, weights[1]), ("asia", ASIA, weights[2])):
        t.meridian("endpoint add www.gslb.example %s %s --weight %d" % (region, address, weight))
    return t.daemon()


def test_weights_hold_within_two_points_over_20000_queries(t):
    world(t, "weighted", (60, 30, 10))
    got = common.ask_many("www.gslb.example", common.networks(100, 20000))
    for address, want in ((EU, 60), (US, 30), (ASIA, 10)):
        share = 100 * got.count(address) / len(got)
        assert abs(share - want) <= 2, "%s got %.1f %%, its weight says %d" % (address, share, want)


def test_a_partial_drain_keeps_its_share_and_always_the_same_clients(t):
    d = world(t, "geo")
    nets = common.networks(100, 6000)
    assert common.ask_many("www.gslb.example", nets) == [EU] * len(nets)
    d.meridian("drain eu --to 0.4 --reason 'a test'")
    first = common.ask_many("www.gslb.example", nets)
    kept = 100 * first.count(EU) / len(nets)
    assert abs(kept - 40) <= 3, "%.1f %% stayed" % kept
    assert first.count(EU) + first.count(US) == len(nets), "who leaves goes to the next best"
    assert common.ask_many("www.gslb.example", nets) == first, "another query, another region"
    d.stop()
    d = t.daemon()
    assert common.ask_many("www.gslb.example", nets) == first, "a restart moved clients"
    d.meridian("drain eu --to 0.2")
    fewer = common.ask_many("www.gslb.example", nets)
    assert all(b != EU or a == EU for a, b in zip(first, fewer)), "a deeper drain brought somebody back"
    d.meridian("undrain eu")
    assert common.ask_many("www.gslb.example", nets) == [EU] * len(nets)


def test_removing_a_region_under_sticky_moves_only_its_own_clients(t):
    d = world(t, "sticky", (100, 50, 50))
    nets = common.networks(100, 8000)
    before = common.ask_many("www.gslb.example", nets)
    for address, want in ((EU, 50), (US, 25), (ASIA, 25)):
        share = 100 * before.count(address) / len(nets)
        assert abs(share - want) <= 2, "%s got %.1f %%" % (address, share)
    d.meridian("endpoint remove www.gslb.example asia %s" % ASIA)
    after = common.ask_many("www.gslb.example", nets)
    moved = [(a, b) for a, b in zip(before, after) if a != b]
    assert all(a == ASIA for a, _ in moved), "others moved too"
    assert len(moved) == before.count(ASIA)
    d.stop()
    t.daemon()
    assert common.ask_many("www.gslb.example", nets) == after


def test_scopes_tell_what_decided(t):
    d = world(t, "geo")
    assert lab.scope(d.ask("www.gslb.example", subnet="100.1.2.0/24")) == 8
    d.meridian("drain eu --to 0.5")
    assert lab.scope(d.ask("www.gslb.example", subnet="100.1.2.0/24")) == 24
    d.meridian("service set www.gslb.example --policy failover")
    d.meridian("undrain eu")
    assert lab.scope(d.ask("www.gslb.example", subnet="100.1.2.0/24")) == 0
    assert lab.scope(d.ask("www.gslb.example")) is None


def test_down_is_never_answered_and_drain_before_dead(t):
    d = world(t, "geo")
    d.meridian("region set eu --state down --reason maintenance")
    assert common.ask_many("www.gslb.example", common.networks(100, 50)) == [US] * 50
    d.meridian("drain us --reason 'a test'")
    assert common.ask_many("www.gslb.example", common.networks(100, 50)) == [ASIA] * 50
    d.meridian("region set asia --state down")
    assert common.ask_many("www.gslb.example", common.networks(100, 50)) == [US] * 50
    status = d.region("eu")
    assert status["set"] == "down" and status["set_reason"] == "maintenance"


if __name__ == "__main__":
    lab.run(globals())
