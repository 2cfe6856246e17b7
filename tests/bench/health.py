"""A health change to the first different answer, by number of services: one endpoint, or a whole region that
all services use, is said to be down, and auto again, over the control socket, by the program that asks,
a tenth of a millisecond after each answer, so that the start of the command is not in it; and a region by
the command. An override is stored before it is in force, so that each change has a write to the disk in
it, which a probe's verdict has not: that is measured from the reply that the verdict is about. Beside it:
the daemon's reply, a ping on the same socket, a bare write and fsync, before and after each change.

A virtual machine is taken off its processors for milliseconds at a time, and no figure of 2 ms says
anything of Meridian where that lies in it. So a watcher (stalls.c) of real-time priority, which no program
keeps waiting, notes when it woke late on the processors in use. All samples count as before; below them
stand those in which no processor stood still ("undisturbed"), how many of how many that are, and all of
them less the time that it did: that one leaves no sample out, for what takes long is more likely to meet a
stall. Stalls of less than 1.3 ms may go unseen, and a write of many MiB to the disk, by anybody, makes the
watcher late as well. Other programs that have their turn are no stalls: nice -n -10 is against those.
Without root's priority there are only the first rows."""

import os
import shutil
import subprocess
import time

import common
from common import median, percentile, program, row, seen, service


def by_socket(db, name, address, rounds):
    """For each change its time and the milliseconds to the first different answer; those to the reply; the time and
    milliseconds of a write and fsync. address: -, the region."""
    argv = common.pinned([program("bench_asker"), "override", common.PORT, name, os.path.realpath(db) + ".sock", "us",
                          address, rounds], common.processors()[1])
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=60 + rounds, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return ([(int(at), float(us) / 1e3) for at, us, _, _, _ in lines], [float(us) / 1e3 for _, _, us, _, _ in lines],
            [(int(at), float(us) / 1e3) for _, _, _, at, us in lines])


def by_probe(services):
    """The time of the reply to a probe and milliseconds to the first different answer, for each service: one failure is
    enough, once another region is seen to answer. Begins before the daemon does, which finds all of them up."""
    argv = common.pinned([program("bench_asker"), "verdict", common.PORT, services, common.WEB], common.processors()[1])
    asker = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def finish():
        out, _ = asker.communicate(timeout=60 + 10 * services)
        if asker.returncode:
            raise AssertionError("the asker ended with %d" % asker.returncode)
        return [(int(at), float(us) / 1e3) for at, us in (line.split() for line in out.splitlines())]
    return finish


def by_command(t, db, name, rounds):
    asker, took = common.Asker(name, 60 + 5 * rounds), []
    for i in range(rounds):
        began = time.monotonic()
        subprocess.run([t.command, "--db", db, "region", "set", "us", "--state", "auto" if i % 2 else "down"],
                       stdout=subprocess.DEVNULL, check=True, timeout=60)
        change = asker.next()
        if not change:
            raise AssertionError("an override changed no answer")
        took.append(1e3 * (change[0] - began))
    asker.end()
    return took


def pings(db, rounds):
    control = common.Control(db)
    took = [1e3 * control.call(op="ping")[1] for _ in range(rounds)]
    control.close()
    return took


def changes(what, stalls, ping, first, changed, replied, synced):
    """first: p50 and p99 with fewest services, or None."""
    took = [ms for _, ms in changed]
    now = median(took), percentile(took, 0.99)
    common.samples_rows(what, changed, (0.5, 0.99), stalls)
    for label, ms, before in zip(("p50", "p99"), now, first or ()):
        row("%s, %s beside fewest services" % (what, label), "%.2f ms" % ms, "", "%.2f ms" % before, ms / before)
    row("%s, p50 of the reply" % what, "%.2f ms" % median(replied), seen(replied, "%.2f"),
        "a ping: %.2f ms" % median(ping), median(replied) / median(ping))
    common.samples_rows("  a write and fsync after each", synced, (0.5, 0.99), stalls)
    return first or now


def measure(t, options):
    common.heading("Down, and auto again: to the first different answer")
    disk = common.fsync_ms(t.folder, options.rounds)
    row("write and fsync of 4 KiB there", "%.2f ms" % median(disk), seen(disk, "%.2f"))
    endpoint = region = None
    for n in common.counts(options.services):
        probed, verdicts = min(options.verdicts, n - 1), []  # the last is what orders are about
        stored = common.store(t, "stored-%d" % n, common.document(n, "failover", probed=probed))
        t.meridian("probe set web --interval 1s --timeout 500ms --fall 1 --rise 1", db=stored)
        name, what = service(n - 1), "{:,} services".format(n)
        stalls = common.Stalls()
        for i in range(options.starts):
            if i:
                common.stop(p)
            db = os.path.join(t.folder, "health-%d-%d.db" % (n, i))
            shutil.copy(stored, db)
            finish = by_probe(probed)
            p, _ = common.serve(t, db, name, common.processors()[0])
            verdicts += finish()
        ping = pings(db, options.rounds)
        one = by_socket(db, name, common.address(0, n - 1), options.rounds)
        all_of_it = by_socket(db, name, "-", options.rounds)
        command = by_command(t, db, name, max(4, options.rounds // 5))
        stalls.end().rows()
        common.samples_rows("a probe's verdict, %s" % what, verdicts, (0.5, 0.99), stalls)
        endpoint = changes("one endpoint, " + what, stalls, ping, endpoint, *one)
        region = changes("a region, " + what, stalls, ping, region, *all_of_it)
        by_socket_ms = median(ms for _, ms in all_of_it[0])
        row("a region, p50 from the start of the command", "%.1f ms" % median(command), seen(command, "%.1f"),
            "by the socket: %.2f ms" % by_socket_ms, median(command) / by_socket_ms)
        common.stop(p)


if __name__ == "__main__":
    common.run(measure, [("--services", "100,100000", "100,1000", "numbers of services"),
                         ("--rounds", 100, 10, "times down and up each"),
                         ("--verdicts", 80, 10, "services of which a probe takes an endpoint out"),
                         ("--starts", 1, 1, "times that the daemon is started, and all those verdicts are seen")])
