"""common: what the benchmarks in Python share: a world of any size, processes and what they cost, one table.

A benchmark is a program that calls run(): that moves it into a network namespace of its own (as the
end-to-end tests, see lab.py), gives it a Lab and its options, and ends what it started. It prints rows:
a figure, the range that it was seen in, what was measured beside it in the same run, and the ratio of
the two. It never fails on a figure, only on an answer that is wrong. Where BENCH_ROWS names a file, the
rows go there too; "common.py FILE" prints them as one table.
"""

import argparse
import bisect
import json
import math
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e", "lib"))
import lab  # noqa: E402

PORT, WEB = 5300, 8080
REGIONS = [("us", [38.9, -77.0], "NA"), ("eu", [50.1, 8.7], "EU"), ("as", [35.7, 139.7], "AS")]
MOVED = "192.0.2.0"  # in Germany in databases of an odd seed, in Japan in those of an even one
PLACES = [("NA", "US", 39, -98), ("NA", "CA", 56, -106), ("EU", "DE", 51, 10), ("EU", "GB", 52, -1),
          ("EU", "FR", 46, 2), ("EU", "PL", 52, 20), ("AS", "JP", 36, 138), ("AS", "IN", 21, 78),
          ("AS", "KR", 36, 128), ("SA", "BR", -14, -51), ("AF", "ZA", -30, 23), ("OC", "AU", -25, 133)]


def program(name):
    return os.path.join(lab.BUILD, "tests", "bench", name)


# ---------------------------------------------------------------------------------------- figures

def row(what, figure, seen="", beside="", ratio=None):
    """One line of the table; ratio: to what was measured beside."""
    cells = [what, figure, seen, beside, "" if ratio is None else "%.2f" % ratio]
    print("%-52s %14s  %-19s %-40s %s" % tuple(cells), flush=True)
    if os.environ.get("BENCH_ROWS"):
        with open(os.environ["BENCH_ROWS"], "a", encoding="utf-8") as f:
            f.write("\t".join(cells) + "\n")


def heading(text):
    print("\n%s" % text, flush=True)
    if os.environ.get("BENCH_ROWS"):
        with open(os.environ["BENCH_ROWS"], "a", encoding="utf-8") as f:
            f.write(text + "\n")


def table(path):
    """All rows of all programs, in Markdown."""
    print("| | figure | range | beside it, in the same run | ratio |\n| --- | ---: | --- | --- | ---: |")
    with open(path, encoding="utf-8") as f:
        for line in f:
            cells = line.rstrip("\n").split("\t")
            print("| **%s** | | | | |" % cells[0] if len(cells) == 1 else "| %s |" % " | ".join(cells))


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def seen(values, form):
    """The range of several rounds."""
    return "%s to %s" % (form % min(values), form % max(values)) if len(values) > 1 else ""


median = statistics.median


# -------------------------------------------------------------------------------------- the world

def service(i):
    return "svc%06d.gslb.example" % i


def address(region, i):
    """The IPv4 address of service i in region 0, 1 or 2."""
    return "10.%d.%d.%d" % ((i >> 16 & 63) + 64 * region, i >> 8 & 255, i & 255)


def document(services, policy="geo", mmdb=None, probed=0):
    """The configuration: services that have an IPv4 and an IPv6 address in each of three regions. probed: so
    many of them are, every 5 s on port WEB."""
    head = {"settings": dict({"workers": "1"}, **({"geo": mmdb} if mmdb else {})),
            "probes": [{"name": "web", "type": "http", "port": WEB, "interval": "5s", "timeout": "2s"}],
            "zones": [{"name": "gslb.example", "ns": [{"name": "ns1.gslb.example", "addresses": ["127.0.0.1"]}]}],
            "regions": [{"name": name, "at": at} for name, at, _ in REGIONS],
            "maps": [{"name": "m", "rules": [{"where": "continent:EU", "regions": ["eu", "us", "as"]},
                                             {"where": "continent:AS", "regions": ["as", "us", "eu"]},
                                             {"where": "default", "regions": ["us", "eu", "as"]}]}]}
    mapped = '"map":"m",' if "geo" in policy or "fence" in policy else ""
    lines = []
    for i in range(services):
        endpoints = ",".join('{"region":"%s","address":"%s","priority":%d},'
                             '{"region":"%s","address":"2001:db8:%x::%x:%x","priority":%d}'
                             % (name, address(k, i), k + 1, name, k + 1, i >> 16, i & 0xffff, k + 1)
                             for k, (name, _, _) in enumerate(REGIONS))
        lines.append('{"name":"%s","policy":"%s",%s"ttl":30,%s"endpoints":[%s]}'
                     % (service(i), policy, mapped, '"probe":"web",' if i < probed else "", endpoints))
    return json.dumps(head)[:-1] + ',"services":[\n%s]}' % ",\n".join(lines)


def store(t, name, text):
    """A database with a configuration in it."""
    db, path = os.path.join(t.folder, name + ".db"), t.write(name + ".json", text)
    t.meridian("init", db=db)
    t.meridian("apply", path, db=db, timeout=900)
    os.unlink(path)
    return db


def write_networks(f, n, seed):
    """About n networks in the list format: nine in ten IPv4, spread over what is routed."""
    rng = random.Random(seed)
    spots = [(c, cc, lat + rng.uniform(-4, 4), lon + rng.uniform(-4, 4)) for c, cc, lat, lon in PLACES
             for _ in range(200)]
    f.write("network,continent,country,lat,lon\n")
    f.write(MOVED + "/24,%s,%s,%g,%g\n" % PLACES[2 if seed % 2 else 6])
    v4 = n * 9 // 10
    step = 222 * 65536 / v4  # networks /24 to one of ours
    for i in range(v4):
        at = int((i + 0.05) * step)
        bits = rng.randint(0, max(0, int(math.log2(step)) - 1))
        at = (at + (1 << bits) - 1 >> bits << bits) + 65536
        a, b, c = at >> 16, at >> 8 & 255, at & 255
        if a not in (10, 127, 192) and a < 224:
            f.write("%d.%d.%d.0/%d,%s,%s,%.4f,%.4f\n" % ((a, b, c, 24 - bits) + rng.choice(spots)))
    for i in range(n - v4):
        f.write("24%02x:%x:%x::/48,%s,%s,%.4f,%.4f\n" % ((i & 255, i >> 8 & 0xfff, i >> 20) + rng.choice(spots)))


def database(n, seed=1):
    """A geo database of about n networks; kept in the build folder, for it takes its time."""
    folder = os.path.join(lab.BUILD, "bench")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "networks-%d-%d.mmdb" % (n, seed))
    if not os.path.exists(path):
        part = "%s.%d" % (path, os.getpid())
        with open(part + ".csv", "w", encoding="utf-8") as f:
            write_networks(f, n, seed)
        done = subprocess.run([os.path.join(lab.SOURCE, "geoip", "build"), part + ".csv", part, "--type", "City"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800)
        if done.returncode != 0:
            raise AssertionError("geoip/build: " + done.stdout)
        os.unlink(part + ".csv")
        os.rename(part, path)
    return path


# -------------------------------------------------------------------------------------- processes

def processors():
    """One for what is measured, one for who asks; the same where there is only one."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0], cpus[-1]


def pinned(argv, cpu):
    return ["taskset", "-c", str(cpu)] + [str(a) for a in argv]


def tree(pid):
    """A process and its children, and theirs."""
    found = [pid]
    for p in found:
        try:
            for task in os.listdir("/proc/%d/task" % p):
                with open("/proc/%d/task/%s/children" % (p, task)) as f:
                    found += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return found


def cpu_s(pid, named=""):
    """What all threads of a process and its children have had of processors, or those whose names begin so.
    Threads that ended are missing."""
    total = 0
    for p in tree(pid):
        try:
            for task in os.listdir("/proc/%d/task" % p):
                with open("/proc/%d/task/%s/comm" % (p, task)) as f:
                    wanted = f.read().startswith(named)
                with open("/proc/%d/task/%s/schedstat" % (p, task)) as f:
                    total += int(f.read().split()[0]) if wanted else 0
        except OSError:
            pass
    return total / 1e9


def used_s(pid):
    """Processor time of a process with the threads that ended, in steps of 10 ms."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pin(pid, cpu):
    """From here on all threads that it has share one processor."""
    for task in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(task), {cpu})


def memory_mib(pid, key="VmRSS"):
    total = 0
    for p in tree(pid):
        try:
            with open("/proc/%d/status" % p) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith(key + ":"))
        except OSError:
            pass
    return total / 1024


def lift(pid):
    """Where sessions have their share of the processors each (sched_autogroup), a nice value counts among the processes
    of one: what a benchmark was started with has to be said of the session of a process as well."""
    try:
        if os.getpriority(os.PRIO_PROCESS, 0) < 0:
            with open("/proc/%s/autogroup" % pid, "w", encoding="utf-8") as f:
                f.write(str(os.getpriority(os.PRIO_PROCESS, 0)))
    except OSError:
        pass  # no such groups, or not root's


def query(name, net=None):
    option = struct.pack("!HHHBB", 8, 7, 1, 24, 0) + socket.inet_aton(net)[:3] if net else b""
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    return (struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + labels + struct.pack("!HH", 1, 1) + b"\0" +
            struct.pack("!HHIH", 41, 1232, 0, len(option)) + option)


def start(t, name, argv, ask_for, cpu=None, seconds=300, echo=False):
    """Starts a server on PORT; the process and the seconds to its first right answer. echo: whatever it says."""
    began = time.monotonic()
    p = lab.Process(t, name, argv if cpu is None else pinned(argv, cpu))
    lift(p.pid)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", PORT))
        s.settimeout(0.002)
        while time.monotonic() < began + seconds:
            if not p.alive():
                raise AssertionError("%s ended with %s: %s" % (name, p.popen.returncode, p.log()[-1500:]))
            try:
                s.send(query(ask_for))
                m = s.recv(4096)
                if echo or (m[3] & 15 == 0 and m[7] > 0):
                    return p, time.monotonic() - began
                time.sleep(0.001)
            except (socket.timeout, ConnectionRefusedError):
                time.sleep(0.0005)
    raise AssertionError("%s does not answer after %g s: %s" % (name, seconds, p.log()[-1500:]))


def serve(t, db, ask_for, cpu=None, args=()):
    """meridiand on a database."""
    argv = [t.meridiand, "--db", db, "--listen", "127.0.0.1:%d" % PORT] + list(args)
    return start(t, "meridiand", argv, ask_for, cpu)


def stop(p):
    status = p.stop(seconds=60)
    if status not in (0, -signal.SIGTERM):
        raise AssertionError("%s ended with %s: %s" % (p.name, status, p.log()[-1500:]))


def load_result(p):
    out, _ = p.communicate(timeout=300)
    if p.returncode != 0:
        raise AssertionError("the load program failed")
    return json.loads(out)


def load(services, seconds, window=128, rate=0, cpu=None, trips=None):
    """The load program, started; load_result() waits for its figures. At a rate it times round trips,
    and what else runs on its processor gives way to it: it is not to time waits of its own. trips: a file
    for them."""
    argv = [program("bench_load"), PORT, services, seconds, window, rate] + ([trips] if trips else [])
    if rate and os.geteuid() == 0:
        argv = ["chrt", "--fifo", "1"] + argv
    return subprocess.Popen(pinned(argv, processors()[1] if cpu is None else cpu), stdout=subprocess.PIPE, text=True)


class Asker:
    """Asks one name without pause and says when the answer changes."""

    def __init__(self, name, seconds, net="-"):
        argv = pinned([program("bench_asker"), "watch", PORT, name, net, seconds], processors()[1])
        self.popen = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.first = self.next()

    def next(self):
        """When an answer differed from the one before, and the new one; None: it did not in its time."""
        when, what = self.popen.stdout.readline().split(" ", 1)
        return (int(when) / 1e9, what.strip()) if when != "asked" else None

    def end(self):
        self.popen.kill()
        self.popen.communicate()


class Control:
    """A connection to the daemon's control socket."""

    def __init__(self, db):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(os.path.realpath(db) + ".sock")
        self.file = self.socket.makefile("rw", encoding="utf-8")

    def call(self, **request):
        """The reply and the seconds that it took."""
        began = time.monotonic()
        self.file.write(json.dumps(request) + "\n")
        self.file.flush()
        reply = json.loads(self.file.readline())
        took = time.monotonic() - began
        if not reply["ok"]:
            raise AssertionError("refused: %s" % reply)
        return reply, took

    def close(self):
        self.file.close()
        self.socket.close()


# ------------------------------------------------------------------------- when the machine stood still

PERIOD_US, LATE_US = 1000, 300  # every shorter one costs the daemon more than it tells: 30 µs to wake up here


class Stalls:
    """From its making to end(), a watcher with the highest priority there is on each processor that is measured or
    measures notes when it woke too late (stalls.c). Then: of which samples the machine was a part."""

    def __init__(self):
        self.popen = subprocess.Popen([program("bench_stalls"), str(PERIOD_US), str(LATE_US)] +
                                      [str(cpu) for cpu in sorted(set(processors()))],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        told = json.loads(self.popen.communicate(timeout=60)[0])
        if any(cpu["untold"] for cpu in told["cpus"]):
            raise AssertionError("the machine stood still more often than the watcher has room for")
        self.fifo, self.cpus, self.took = told["fifo"], told["cpus"], (told["to"] - told["from"]) / 1e9
        self.froms, self.tos, self.before = [], [], [0]
        for start, end in sorted(pair for cpu in self.cpus for pair in cpu["stalls"]):
            if self.tos and start <= self.tos[-1]:
                self.tos[-1] = max(end, self.tos[-1])
            else:
                self.froms.append(start)
                self.tos.append(end)
        for start, end in zip(self.froms, self.tos):
            self.before.append(self.before[-1] + end - start)
        return self

    def until(self, at):
        """Nanoseconds that it stood still before a time."""
        i = bisect.bisect_left(self.froms, at)
        return self.before[i] - (max(0, self.tos[i - 1] - at) if i else 0)

    def within_ms(self, start_ns, took_ms):
        return (self.until(start_ns + round(took_ms * 1e6)) - self.until(start_ns)) / 1e6

    def undisturbed(self, samples):
        """Of pairs of a time in ns and the ms from then, the ms of those in which no processor stood still."""
        return [ms for start, ms in samples if self.within_ms(start, ms) == 0]

    def without(self, samples):
        """The ms of all of them, less what the machine stood still in each."""
        return [ms - self.within_ms(start, ms) for start, ms in samples]

    def rows(self):
        """What came of it; and whether the figures without stalls can be had."""
        ms = [(end - start) / 1e6 for start, end in zip(self.froms, self.tos)]
        used = sum(cpu["used_ns"] for cpu in self.cpus) / 1e9 / self.took / len(self.cpus)
        stolen = sum(cpu["stolen_ns"] for cpu in self.cpus) / 1e9 / self.took / len(self.cpus)
        if not self.fifo:
            row("the machine stood still", "unknown", "", "the watcher had ordinary priority: it is not root's")
            return False
        row("the machine stood still", "%.1f %%" % (sum(ms) / 10 / self.took),
            "%d times, to %.1f ms" % (len(ms), max(ms, default=0)),
            "stolen, /proc/stat: %.1f %%; to watch: %.1f %%" % (100 * stolen, 100 * used))
        return True


def samples_rows(what, samples, shares, stalls):
    """Percentiles of pairs of a time in ns and the ms from then: of all, and, where there was one to watch with
    priority, of those in which the machine never stood still, beside all less what it did in them."""
    for share in shares:
        p = "p%g" % (100 * share)
        took = [ms for _, ms in samples]
        row("%s, %s of %d" % (what, p, len(took)), "%.2f ms" % percentile(took, share), seen(took, "%.2f"))
        if stalls.fifo:
            still, rest = stalls.undisturbed(samples), percentile(stalls.without(samples), share)
            row("    undisturbed, %s of %d of them" % (p, len(still)),
                "%.2f ms" % percentile(still, share) if still else "none", seen(still, "%.2f"),
                "all, less the stalls in them: %.2f ms" % rest)


def fsync_ms(folder, rounds):
    """What the disk asks for one small write that must last."""
    path, took = os.path.join(folder, "fsync"), []
    with open(path, "wb") as f:
        for _ in range(rounds):
            began = time.monotonic()
            f.write(bytes(4096))
            f.flush()
            os.fsync(f.fileno())
            took.append(1e3 * (time.monotonic() - began))
    os.unlink(path)
    return took


# ------------------------------------------------------------------------------------------- main

def run(measure, options=()):
    """options: (flag, usual, quick, meaning) each; the type is that of the usual value."""
    sys.stdout.reconfigure(line_buffering=True)
    lock = lab.isolate()
    if not lock:  # in a network of our own, all addresses of document() are this host's
        for argv in (["-4", "route", "add", "local", "10.0.0.0/8"], ["-6", "route", "add", "local", "2001:db8::/32"]):
            subprocess.run(["ip"] + argv + ["dev", "lo"], check=True)
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small counts: to see that it works")
    for flag, usual, quick, meaning in options:
        parser.add_argument(flag, type=type(usual), help="%s (%s; quick: %s)" % (meaning, usual, quick))
    got = parser.parse_args()
    for flag, usual, quick, _ in options:
        if getattr(got, flag[2:].replace("-", "_")) is None:
            setattr(got, flag[2:].replace("-", "_"), quick if got.quick else usual)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lift("self")
    t, done = lab.Lab("bench"), False
    t.isolated = not lock
    try:
        measure(t, got)
        done = True
    finally:
        t.close(failed=not done)
    del lock


def counts(text):
    return [int(x) for x in text.split(",")]


if __name__ == "__main__":
    table(sys.argv[1])
