#!/usr/bin/python3
"""One of five regions goes, wholly or in part: its own clients move, and nobody else. It returns: each of them
is back where it was, after one move, and who left last comes first."""

import world
from world import BOTH, MOST, NEAREST, POLICIES, REGIONS, STICKY
from world import lab


def everywhere(region):
    return dict.fromkeys(POLICIES, region)


def weight_share(region, weight=None):
    """Of all clients of the sticky service, those that the region should have."""
    weights = {r: w for r, (_, w) in REGIONS.items()}
    weights[region] = weight or weights[region]
    return weights[region] / sum(weights.values())


def test_each_of_five_regions_that_goes_moves_its_own_networks_only(t):
    w = world.World(t)
    before = w.homes_and_scopes()
    for region in REGIONS:
        world.check_share(region, before[STICKY].count(region), len(w.clients), weight_share(region))
    for region in REGIONS:
        t.meridian("region set %s --state down --reason 'a test'" % region)
        gone = world.check_moved(before, w.homes_and_scopes(), everywhere(region))
        assert gone == world.residents(before, everywhere(region))
        t.meridian("region set %s --state auto" % region)
        assert w.homes() == before, "%s is back, and not everybody is where he was" % region


def test_a_crash_moves_its_own_networks_only_and_they_return_in_reverse_order(t):
    # Each service loses another region: if most of one region's went, it would leave as a whole (test_whole_region.py).
    where = {STICKY: "ashburn", NEAREST: "london", BOTH: "sydney"}
    w = world.World(t, apart=where)
    before = w.homes_and_scopes()
    depth, refuge = world.leave_in_steps(w, before, where)
    world.crash_and_return(w, before, lambda: [w.servers[r, s].stop() for s, r in where.items()],
                           lambda: [w.start_again(r, s) for s, r in where.items()], where, depth, refuge)


def test_a_part_of_a_region_moves_its_share_and_the_same_networks_return(t):
    w = world.World(t)
    before = w.homes_and_scopes()

    # Its load balancer reports errors that the probes do not see, and then that all is well.
    report = lambda ok, errors: [t.meridian("report", "london", "--service", s, "--ok", ok, "--errors", errors,
                                            "--source", "balancer") for s in POLICIES]
    report(3500, 1500)
    kept = {w.effective(s, "london") for s in POLICIES}
    assert len(kept) == 1 and 0.3 < max(kept) < 0.7, kept
    away = w.homes_and_scopes()
    world.check_moved(before, away, everywhere("london"), max(kept))
    report(1000000, 0)
    world.Return(w, everywhere("london"), before, away).check()

    # A person's word.
    t.meridian("drain tokyo --to 60% --reason 'a test'")
    world.check_moved(before, w.homes_and_scopes(), everywhere("tokyo"), 0.6)
    t.meridian("undrain tokyo")
    assert w.homes() == before

    # Less weight, where weight decides: who leaves goes to all the others, nobody moves among them.
    endpoint = "endpoint set %s ashburn %s --weight %%d" % (STICKY, world.address("ashburn"))
    t.meridian(endpoint % 90)
    after = w.homes_and_scopes()
    assert all(after[s] == before[s] for s in (NEAREST, BOTH)), "another service's clients moved"
    moved = [(a, b) for a, b in zip(before[STICKY], after[STICKY]) if a != b]
    assert moved and {a for a, _ in moved} == {"ashburn"}, "others moved too"
    assert len(moved) <= MOST * world.fewest(before[STICKY], after[STICKY])
    world.check_share("ashburn", after[STICKY].count("ashburn"), len(w.clients), weight_share("ashburn", 90))
    t.meridian(endpoint % 150)
    assert w.homes_and_scopes() == before


if __name__ == "__main__":
    lab.run(globals())
