"""Whole answers in process, without sockets, beside what ldns takes to read a query and to write an answer that
it is given, and those of several workers beside as many processes that share nothing; the locate step beside
libmaxminddb; the compile beside the import. What answer_bench, workers_bench and geo_bench print, as rows."""

import os
import re
import subprocess

import common
from common import median, program, row, seen

POLICIES = ["geo", "nearest", "weighted", "sticky", "failover"]
ANSWER = r"services: ([\d.]+) ns a whole answer \(([\d.]+) of it the parse"
COMPILE = r"import and validate ([\d.]+) s, first compile ([\d.]+) s, compile again ([\d.]+) s"
LDNS = r"ldns: (\d+) ns"
WORKERS = r"workers (\d+): (\d+) answers a second, ([\d.]+) ns an answer; in processes (\d+), ([\d.]+) ns"
LOCATE = r"(IPv4) lookup: random +([\d.]+) ns, one after the other +([\d.]+), in a batch +([\d.]+);.*libmaxminddb (\d+)"


def told(name, *args, cpu=None):
    """cpu: the first one, if none is given; or several as taskset takes them."""
    argv = common.pinned([program(name)] + list(args), common.processors()[0] if cpu is None else cpu)
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


def workers(n, policy, mmdb, options):
    """One worker on each processor, of one snapshot."""
    everywhere = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0)))
    text = told("workers_bench", n, policy, mmdb, options.rounds, cpu=everywhere)
    found = [[float(x) for x in line] for line in re.findall(WORKERS, text)]
    for count, per_s, ns, _, apart_ns in found[1:]:
        what = "%d workers, %s, %s services" % (count, policy, "{:,}".format(n))
        row(what, "%.2f M a second" % (per_s / 1e6), "", "one: %.2f M" % (found[0][1] / 1e6), per_s / found[0][1])
        row("    an answer of theirs", "%.0f ns" % ns, "", "in processes that share nothing: %.0f ns" % apart_ns,
            ns / apart_ns)


def measure(t, options):
    mmdb = common.database(options.networks)
    common.heading("In process, random names and clients, {:,} networks".format(options.networks))
    for n in common.counts(options.services):
        for policy in POLICIES:
            whole, all_, parse, ldns, compiled = answers(n, policy, mmdb, options)
            row("answer, {}, {:,} services".format(policy, n), "%.0f ns" % whole, seen(all_, "%.0f"),
                "ldns's codec alone: %.0f ns; our parse: %.0f" % (ldns, parse), whole / ldns)
        workers(n, "weighted", mmdb, options)
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
