"""Instructions per answer, counted by callgrind and compared with instructions.txt.

    instructions.py BENCH GEO.mmdb COMPILER [--record]

BENCH is answer_bench: 1,000 services, one round of QUERIES queries, the random numbers always the same,
so that the count of one build repeats to a tenth, however busy the machine is. Only what runs inside
the function of a row is counted. More than TOLERANCE above the record fails; as much below passes and
says so. What another compiler makes is not compared: exit 77, skipped.
"""

import os
import re
import shutil
import subprocess
import sys

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.txt")
AGAIN = "scripts/bench --record-instructions"
SERVICES, QUERIES = 1000, 2048
TOLERANCE = 0.05
SECONDS = 250
SKIPPED = 77

# What is counted: its name, the function, the policy, what the queries carry.
ROWS = [("answer geo", "answer_batch", "geo", "subnet"),
        ("answer nearest", "answer_batch", "nearest", "subnet"),
        ("answer weighted", "answer_batch", "weighted", "subnet"),
        ("answer sticky", "answer_batch", "sticky", "subnet"),
        ("answer failover", "answer_batch", "failover", "subnet"),
        ("answer weighted, cookie", "answer_batch", "weighted", "cookie"),
        ("parse", "parse_all", "weighted", "subnet"),
        ("parse, cookie", "parse_all", "weighted", "cookie")]

HEAD = """# Instructions per answer, as callgrind counts them (tests/bench/instructions.py, docs/performance.md).
# Made by %s; the test bench_instructions compares.
compiler: %s
"""


def count(bench, mmdb, function, policy, carries):
    """Instructions per call of a function."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--toggle-collect=" + function,
                           "--callgrind-out-file=/dev/null", bench, str(SERVICES), policy, mmdb, "1",
                           str(QUERIES), carries],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=SECONDS)
    total = re.search(r"Collected : (\d+)", done.stderr)
    calls = re.search(r"^answers (\d+), parses (\d+)$", done.stdout, re.M)
    if done.returncode != 0 or not total or not calls or int(total.group(1)) == 0:
        sys.exit("instructions: callgrind counted nothing in %s\n%s%s" % (function, done.stdout, done.stderr))
    return int(total.group(1)) / int(calls.group(1 if function == "answer_batch" else 2))


def read_record():
    """The compiler and the rows of the record."""
    compiler, rows = None, {}
    with open(RECORD, encoding="utf-8") as f:
        for line in f:
            name, _, value = line.rstrip("\n").rpartition(": ")
            if name == "compiler":
                compiler = value
            elif name and not name.startswith("#"):
                rows[name] = float(value)
    return compiler, rows


def judge(name, now, then):
    """One line about a row, and whether it fails."""
    if then is None:
        return "%-24s %9.1f  has no record: make one with %s" % (name, now, AGAIN), True
    change = now / then - 1
    line = "%-24s %9.1f  recorded %9.1f  %+6.2f %%" % (name, now, then, 100 * change)
    if change > TOLERANCE:
        return line + ("  MORE than the %g %% allowed: if the cost is meant, record it anew with %s"
                       % (100 * TOLERANCE, AGAIN)), True
    if change < -TOLERANCE:
        return line + "  fewer: well done; %s keeps it so" % AGAIN, False
    return line, False


def record(bench, mmdb, compiler):
    text = HEAD % (AGAIN, compiler)
    for name, *what in ROWS:
        now = count(bench, mmdb, *what)
        print("%-24s %9.1f" % (name, now), flush=True)
        text += "%s: %.1f\n" % (name, now)
    with open(RECORD, "w", encoding="utf-8") as f:
        f.write(text)


def compare(bench, mmdb, compiler):
    recorded_with, rows = read_record()
    if recorded_with != compiler:
        print("skipped: recorded with %s, built with %s" % (recorded_with, compiler))
        return SKIPPED
    failed = False
    for name, *what in ROWS:
        line, fails = judge(name, count(bench, mmdb, *what), rows.get(name))
        print(line, flush=True)
        failed = failed or fails
    for name in sorted(set(rows) - {row[0] for row in ROWS}):
        print("%-24s is recorded and counted no more: %s" % (name, AGAIN))
        failed = True
    return 1 if failed else 0


def main():
    arguments = [a for a in sys.argv[1:] if a != "--record"]
    if len(arguments) != 3:
        sys.exit(__doc__)
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed (scripts/dependencies test)")
        return SKIPPED
    if not os.path.exists(arguments[1]):
        print("skipped: %s is not there (geoip/CMakeLists.txt says why)" % arguments[1])
        return SKIPPED
    if "--record" in sys.argv:
        record(*arguments)
        return 0
    return compare(*arguments)


if __name__ == "__main__":
    sys.exit(main())
