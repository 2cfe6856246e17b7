"""Many HTTP probes: what the daemon pays for them, how evenly they come, how many were late. The targets are
addresses of 127.0.0.0/8, one program answers for all of them; beside the daemon's processor time stands
that program's, for the same requests."""

import json
import signal
import time

import common
from common import WEB, cpu_s, program, row, service


def document(targets, interval_s):
    """Services of ten addresses each, all probed."""
    head = {"settings": {"workers": "1", "probe-concurrency": "1000"},
            "zones": [{"name": "gslb.example", "ns": [{"name": "ns1.gslb.example", "addresses": ["127.0.0.1"]}]}],
            "regions": [{"name": "eu", "at": [50, 8]}],
            "probes": [{"name": "web", "type": "http", "port": WEB, "path": "/healthz", "interval": "%ds" % interval_s,
                        "timeout": "%dms" % min(2000, 500 * interval_s)}]}
    head["services"] = [
        {"name": service(i), "policy": "weighted", "probe": "web",
         "endpoints": [{"region": "eu", "address": "127.%d.%d.%d" % (1 + (k >> 14), k >> 7 & 127, 1 + (k & 127))}
                       for k in range(10 * i, min(10 * i + 10, targets))]}
        for i in range((targets + 9) // 10)]
    return json.dumps(head)


def measure(t, options):
    web = common.lab.Process(t, "responder", common.pinned([program("bench_responder"), WEB], common.processors()[1]))
    db = common.store(t, "probes", document(options.targets, options.interval))
    p, _ = common.serve(t, db, service(0), common.processors()[0])
    control = common.Control(db)
    time.sleep(2 * options.interval)  # every target has had its first turn, and what follows an edit is over
    before, began, skip = control.call(op="status")[0]["counters"], time.monotonic(), None
    ours, theirs = cpu_s(p.pid), cpu_s(web.pid)
    time.sleep(options.intervals * options.interval)
    ours, theirs = cpu_s(p.pid) - ours, cpu_s(web.pid) - theirs
    seconds = time.monotonic() - began
    after = control.call(op="status")[0]["counters"]
    control.close()
    web.stop(signal.SIGTERM)
    bins = json.loads(web.log().splitlines()[-1])["bins"]
    bins = bins[-int(10 * seconds):][:-2]
    common.stop(p)
    probes = {k: after["probes_" + k] - before["probes_" + k] for k in ("started", "ok", "failed", "late", "overdue")}
    mean = sum(bins) / max(1, len(bins))
    common.heading("{:,} HTTP targets every {} s, for {:.0f} s: {:,} probes".format(
        options.targets, options.interval, seconds, probes["started"]))
    if not probes["ok"]:
        raise AssertionError("no probe was answered: %s" % probes)
    row("the daemon's processor", "%.1f %%" % (100 * ours / seconds), "%.0f µs a probe" % (1e6 * ours / probes["started"]),
        "the web server's %.1f %%" % (100 * theirs / seconds), ours / max(theirs, 1e-9))
    row("largest 100 ms", "%d probes" % max(bins), "least %d" % min(bins), "mean %.1f" % mean, max(bins) / mean)
    row("late", "%d" % probes["late"], "overdue %d" % probes["overdue"], "of %d" % probes["started"],
        probes["late"] / probes["started"])
    row("failed", "%d" % probes["failed"], "", "of %d" % probes["started"], probes["failed"] / probes["started"])


if __name__ == "__main__":
    common.run(measure, [("--targets", 10000, 200, "addresses"),
                         ("--interval", 5, 1, "seconds from one probe of an address to the next"),
                         ("--intervals", 6, 4, "intervals to measure over")])
