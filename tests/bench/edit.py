"""One edit to in force, by number of services: the command's wall time, the same to the first different
answer, and the daemon's own part over a control connection that is open already. Beside them: a command
that says nothing to the daemon, a ping, and a bare write and fsync in the folder of the database."""

import subprocess
import time

import common
from common import median, row, seen, service


def command_ms(t, db, *args):
    """Without a timeout: with one, Python looks for the end every 50 ms."""
    began = time.monotonic()
    subprocess.run([t.command, "--db", db] + list(args), stdout=subprocess.DEVNULL, check=True)
    return 1e3 * (time.monotonic() - began)


def by_command(t, db, name, target, rounds):
    """Priorities to and fro: wall time of each command, and to the first different answer."""
    asker, wall, changed = common.Asker(name, 60 + 5 * rounds), [], []
    for i in range(rounds):
        began = time.monotonic()
        wall.append(command_ms(t, db, "endpoint", "set", name, "us", target, "--priority", "1" if i % 2 else "9"))
        change = asker.next()
        if not change:
            raise AssertionError("an edit of %s changed no answer" % name)
        changed.append(1e3 * (change[0] - began))
    asker.end()
    return wall, changed


def by_control(db, name, target, rounds):
    control, edit, ping = common.Control(db), [], []
    for i in range(rounds):
        fields = {"priority": 1 if i % 2 else 9}
        edits = [{"verb": "set", "noun": "endpoint", "name": name, "region": "us", "address": target, "fields": fields}]
        edit.append(1e3 * control.call(op="edit", edits=edits, author="bench", message="measured", verb="bench")[1])
        ping.append(1e3 * control.call(op="ping")[1])
    control.close()
    return edit, ping


def names_by_control(db, name, rounds):
    """A service added, then removed again: the table of names follows."""
    control, add, remove = common.Control(db), [], []
    said = {"author": "bench", "message": "measured", "verb": "bench"}
    for _ in range(rounds):
        edits = [{"verb": "add", "noun": "service", "name": name, "fields": {"policy": "failover"}},
                 {"verb": "add", "noun": "endpoint", "name": name, "region": "us", "address": "192.0.2.9",
                  "fields": {}}]
        add.append(1e3 * control.call(op="edit", edits=edits, **said)[1])
        edits = [{"verb": "remove", "noun": "service", "name": name}]
        remove.append(1e3 * control.call(op="edit", edits=edits, **said)[1])
    control.close()
    return add, remove


def measure(t, options):
    mmdb = common.database(options.networks) if options.networks else None
    common.heading("One endpoint's priority edited, %d times" % options.rounds)
    disk = common.fsync_ms(t.folder, options.rounds)
    row("write and fsync of 4 KiB there", "%.2f ms" % median(disk), seen(disk, "%.2f"))
    for n in common.counts(options.services):
        db = common.store(t, "edit-%d" % n, common.document(n, "failover", mmdb))
        name, target = service(n // 2), common.address(0, n // 2)
        p, _ = common.serve(t, db, name, common.processors()[0])
        alone = [command_ms(t, db, "help") for _ in range(options.rounds)]
        wall, changed = by_command(t, db, name, target, options.rounds)
        edit, ping = by_control(db, name, target, options.rounds)
        what = "{:,} services".format(n)
        row("edit, the command's wall time, " + what, "%.1f ms" % median(wall), seen(wall, "%.1f"),
            "meridian help: %.1f ms" % median(alone), median(wall) / median(alone))
        row("edit, command to different answer, " + what, "%.1f ms" % median(changed), seen(changed, "%.1f"),
            "the command's %.1f ms" % median(wall), median(changed) / median(wall))
        row("edit, the daemon's part, " + what, "%.1f ms" % median(edit), seen(edit, "%.1f"),
            "a ping: %.2f ms" % median(ping), median(edit) / median(ping))
        add, remove = names_by_control(db, "new." + name, options.rounds)
        row("a service added, the daemon's part, " + what, "%.1f ms" % median(add), seen(add, "%.1f"),
            "an edit's %.1f ms" % median(edit), median(add) / median(edit))
        row("a service removed, the daemon's part, " + what, "%.1f ms" % median(remove), seen(remove, "%.1f"),
            "an edit's %.1f ms" % median(edit), median(remove) / median(edit))
        common.stop(p)


if __name__ == "__main__":
    common.run(measure, [("--services", "1000,10000,100000", "100,1000", "numbers of services"),
                         ("--networks", 200000, 2000, "networks in the geo database"),
                         ("--rounds", 20, 4, "edits each")])
