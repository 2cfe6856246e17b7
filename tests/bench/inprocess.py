"""Whole answers in process, without sockets, beside what ldns takes to read a query and to write an answer that
it is given; the locate step beside libmaxminddb; the compile beside the import. What answer_bench and geo_bench
print, as rows."""

import re
import subprocess

import common
from common import median, program, row, seen

POLICIES = ["geo", "weighted", "sticky"]
ANSWER = r"services: ([\d.]+) ns a whole answer \(([\d.]+) of it the parse"
COMPILE = r"import and validate ([\d.]+) s, first compile ([\d.]+) s, compile again ([\d.]+) s"
LDNS = r"ldns: (\d+) ns"
LOCATE = r"(IPv4) lookup: random +([\d.]+) ns, one after the other +([\d.]+), in a batch +([\d.]+);.*libmaxminddb (\d+)"


def told(name, *args):
    argv = common.pinned([program(name)] + list(args), common.processors()[0])
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=900, check=True).stdout


def answers(n, policy, mmdb, options):
    """Nanoseconds of answers, of the parse and of ldns; the figures of the last compile."""
    rounds = []
    for _ in range(options.rounds):
        text = told("answer_bench", n, policy, mmdb, options.passes)
        rounds.append([float(x) for x in re.search(ANSWER, text).groups() + re.search(LDNS, text).groups()])
    compiled = [float(x) for x in re.search(COMPILE, text).groups()]
    whole = [r[0] for r in rounds]
    return median(whole), whole, median([r[1] for r in rounds]), median([r[2] for r in rounds]), compiled


def measure(t, options):
    mmdb = common.database(options.networks)
    common.heading("In process, one processor, random names and clients, {:,} networks".format(options.networks))
    for n in common.counts(options.services):
        for policy in POLICIES:
            whole, all_, parse, ldns, compiled = answers(n, policy, mmdb, options)
            row("answer, {}, {:,} services".format(policy, n), "%.0f ns" % whole, seen(all_, "%.0f"),
                "ldns's codec alone: %.0f ns; our parse: %.0f" % (ldns, parse), whole / ldns)
        row("compile, {:,} services".format(n), "%.3f s" % compiled[1], "again: %.3f" % compiled[2],
            "import and validation: %.3f s" % compiled[0], compiled[1] / compiled[0])
    _, random, chained, batch, library = re.search(LOCATE, told("geo_bench", mmdb)).groups()
    row("locate, random IPv4 addresses, one by one", random + " ns", "each after the last: " + chained,
        "libmaxminddb's lookup: %s ns" % library, float(random) / float(library))
    row("locate, random IPv4 addresses, as a batch does", batch + " ns", "",
        "one by one: %s ns" % random, float(batch) / float(random))


if __name__ == "__main__":
    common.run(measure, [("--services", "1000,100000", "1000", "numbers of services"),
                         ("--networks", 200000, 2000, "networks in the geo database"),
                         ("--passes", 40, 2, "over 65,536 queries in each run"),
                         ("--rounds", 5, 2, "runs each")])
