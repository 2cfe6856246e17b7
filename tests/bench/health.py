"""A health change to the first different answer, by number of services: one endpoint, or a whole region that
all services use, is said to be down, and auto again, over the control socket, by the program that asks,
a tenth of a millisecond after each answer, so that the start of the command is not in it; and a region by
the command. An override is stored before it is in force, so that each change has a write to the disk in it, which a probe's verdict has
not: that is measured from the reply that the verdict is about. Beside it: the daemon's reply, a ping on the
same socket, a bare write and fsync."""

import os
import subprocess
import time

import common
from common import median, percentile, program, row, seen, service


def by_socket(db, name, address, rounds):
    """Milliseconds to the first different answer and to the reply, for each change. address: -, the region."""
    argv = common.pinned([program("bench_asker"), "override", common.PORT, name, os.path.realpath(db) + ".sock", "us",
                          address, rounds], common.processors()[1])
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=60 + rounds, check=True)
    pairs = [[float(x) / 1e3 for x in line.split()] for line in done.stdout.splitlines()]
    return [a for a, _ in pairs], [b for _, b in pairs]


def by_probe(services):
    """Milliseconds from the reply to a probe to the first different answer, for each service: one failure is
    enough, once another region is seen to answer. Begins before the daemon does, which finds all of them up."""
    argv = common.pinned([program("bench_asker"), "verdict", common.PORT, services, common.WEB], common.processors()[1])
    asker = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def finish():
        out, _ = asker.communicate(timeout=60 + 10 * services)
        if asker.returncode:
            raise AssertionError("the asker ended with %d" % asker.returncode)
        return [float(line) / 1e3 for line in out.split()]
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


def changes(what, changed, replied, ping, first):
    """Three rows; first: p50 and p99 with fewest services, or None."""
    now = median(changed), percentile(changed, 0.99)
    for label, took, before in zip(("p50", "p99"), now, first or now):
        row("%s, %s of %d" % (what, label, len(changed)), "%.2f ms" % took, seen(changed, "%.2f"),
            *(("with fewest services: %.2f ms" % before, took / before) if first else ()))
    row("%s, p50 of the reply" % what, "%.2f ms" % median(replied), seen(replied, "%.2f"),
        "a ping: %.2f ms" % median(ping), median(replied) / median(ping))
    return first or now


def measure(t, options):
    common.heading("Down, and auto again: to the first different answer")
    disk = common.fsync_ms(t.folder, options.rounds)
    row("write and fsync of 4 KiB there", "%.2f ms" % median(disk), seen(disk, "%.2f"))
    endpoint = region = None
    for n in common.counts(options.services):
        db = common.store(t, "health-%d" % n, common.document(n, "failover", probed=options.verdicts))
        name, what = service(n - 1), "{:,} services".format(n)
        t.meridian("probe set web --interval 1s --timeout 500ms --fall 1 --rise 1", db=db)
        finish = by_probe(options.verdicts)
        p, _ = common.serve(t, db, name, common.processors()[0])
        verdicts = finish()
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            row("a probe's verdict, %s, %s of %d" % (what, label, len(verdicts)),
                "%.2f ms" % percentile(verdicts, share), seen(verdicts, "%.2f"))
        ping = pings(db, options.rounds)
        endpoint = changes("one endpoint, " + what, *by_socket(db, name, common.address(0, n - 1), options.rounds),
                           ping, endpoint)
        changed, replied = by_socket(db, name, "-", options.rounds)
        region = changes("a region, " + what, changed, replied, ping, region)
        command = by_command(t, db, name, max(4, options.rounds // 5))
        row("a region, p50 from the start of the command", "%.1f ms" % median(command), seen(command, "%.1f"),
            "by the socket: %.2f ms" % median(changed), median(command) / median(changed))
        common.stop(p)


if __name__ == "__main__":
    common.run(measure, [("--services", "100,100000", "100,1000", "numbers of services"),
                         ("--rounds", 100, 10, "times down and up each"),
                         ("--verdicts", 80, 10, "services of which a probe takes an endpoint out")])
