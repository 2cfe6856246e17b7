#!/usr/bin/python3
"""A whole region of five crashes and returns, all its services at once: the region itself leaves, is held and
comes back over its ramp; of all services only its own clients move, and each is back where it was."""

import world
from world import POLICIES
from world import lab


def test_a_region_that_crashes_moves_its_own_networks_only_and_they_return_in_reverse_order(t):
    w = world.World(t)
    before = w.homes_and_scopes()
    where = dict.fromkeys(POLICIES, "ashburn")
    depth, refuge = world.leave_in_steps(w, before, where)

    def restart():
        w.start_again("ashburn")
        lab.wait_for("the hold is over", lambda: w.daemon.region("ashburn")["effective"] > 0, 120, 0.2)

    world.crash_and_return(w, before, w.servers["ashburn", None].stop, restart, where, depth, refuge)
    assert "[ashburn] availability 1.00 -> 0.00 rule=region" in w.daemon.log(), "it did not leave as a whole"


if __name__ == "__main__":
    lab.run(globals())
