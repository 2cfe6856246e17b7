"""Many probes, HTTP and then HTTPS: what the daemon pays for them, how evenly they come, how many were late. The
targets are addresses of 127.0.0.0/8, one program answers for all of them; beside the daemon's processor time
stands that program's, for the same requests. HTTPS is as users have it: every probe a handshake of its own, chain
and name verified against the system's bundle, to which the server's certificate is added for the daemon alone."""

import json
import os
import shutil
import signal
import subprocess
import time

import common
from common import WEB, cpu_s, program, row, service

TLS, HOST = 8443, "www.gslb.example"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CERTIFICATE = os.path.join(common.HERE, "..", "e2e", "servers", "certificate")
NGINX = """daemon off; master_process off; pid {dir}/pid; error_log {dir}/errors;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {dir}; proxy_temp_path {dir};
fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
server {{ listen {port} ssl; ssl_certificate {dir}/{host}.pem; ssl_certificate_key {dir}/{host}.key;
  location = /healthz {{ default_type text/plain; return 200 "ok"; }} }} }}
"""


def document(kind, targets, interval_s):
    """Services of ten addresses each, all probed."""
    probe = {"name": "web", "type": kind, "port": TLS if kind == "https" else WEB, "path": "/healthz",
             "interval": "%ds" % interval_s, "timeout": "%dms" % min(2000, 500 * interval_s)}
    if kind == "https":
        probe["host"] = HOST
    head = {"settings": {"workers": "1", "probe-concurrency": "1000"},
            "zones": [{"name": "gslb.example", "ns": [{"name": "ns1.gslb.example", "addresses": ["127.0.0.1"]}]}],
            "regions": [{"name": "eu", "at": [50, 8]}],
            "probes": [probe]}
    head["services"] = [
        {"name": service(i), "policy": "weighted", "probe": "web",
         "endpoints": [{"region": "eu", "address": "127.%d.%d.%d" % (1 + (k >> 14), k >> 7 & 127, 1 + (k & 127))}
                       for k in range(10 * i, min(10 * i + 10, targets))]}
        for i in range((targets + 9) // 10)]
    return json.dumps(head)


class Measured:
    """The daemon's and the web server's processor seconds, and the daemon's counters, over some intervals."""

    def __init__(self, t, kind, web, targets, interval, intervals, prefix=()):
        db = common.store(t, "probes-" + kind, document(kind, targets, interval))
        argv = list(prefix) + [t.meridiand, "--db", db, "--listen", "127.0.0.1:%d" % common.PORT]
        p, _ = common.start(t, "meridiand", argv, service(0), common.processors()[0])
        control = common.Control(db)
        time.sleep(2 * interval)  # every target has had its first turn, and what follows an edit is over
        before, began = control.call(op="status")[0]["counters"], time.monotonic()
        ours, theirs = cpu_s(p.pid), cpu_s(web.pid)
        time.sleep(intervals * interval)
        self.ours, self.theirs = cpu_s(p.pid) - ours, cpu_s(web.pid) - theirs
        self.seconds = time.monotonic() - began
        after = control.call(op="status")[0]["counters"]
        control.close()
        common.stop(p)
        self.probes = {k: after["probes_" + k] - before["probes_" + k]
                       for k in ("started", "ok", "failed", "late", "overdue")}
        common.heading("{:,} {} targets every {} s, for {:.0f} s: {:,} probes".format(
            targets, kind.upper(), interval, self.seconds, self.probes["started"]))
        if not self.probes["ok"]:
            raise AssertionError("no probe was answered: %s" % self.probes)

    def rows(self):
        n = self.probes["started"]
        row("the daemon's processor", "%.1f %%" % (100 * self.ours / self.seconds), "%.0f µs a probe" % (1e6 * self.ours / n),
            "the web server's %.1f %%" % (100 * self.theirs / self.seconds), self.ours / max(self.theirs, 1e-9))
        row("late", "%d" % self.probes["late"], "overdue %d" % self.probes["overdue"], "of %d" % n, self.probes["late"] / n)
        row("failed", "%d" % self.probes["failed"], "", "of %d" % n, self.probes["failed"] / n)


def http(t, options):
    web = common.lab.Process(t, "responder", common.pinned([program("bench_responder"), WEB], common.processors()[1]))
    m = Measured(t, "http", web, options.targets, options.interval, options.intervals)
    web.stop(signal.SIGTERM)
    bins = json.loads(web.log().splitlines()[-1])["bins"]
    bins = bins[-int(10 * m.seconds):][:-2]
    mean = sum(bins) / max(1, len(bins))
    m.rows()
    row("largest 100 ms", "%d probes" % max(bins), "least %d" % min(bins), "mean %.1f" % mean, max(bins) / mean)


def https(t, options):
    if not shutil.which("nginx") or not t.isolated:
        return
    folder = t.make_folder("tls")
    subprocess.run([CERTIFICATE, folder, HOST, str(86400 * 30)], check=True)
    bundle = os.path.join(folder, "bundle.crt")
    with open(bundle, "wb") as out:
        for path in (BUNDLE, os.path.join(folder, HOST + ".pem")):
            with open(path, "rb") as f:
                out.write(f.read())
    conf = t.write("nginx.conf", NGINX.format(dir=folder, port=TLS, host=HOST))
    web = common.lab.Process(t, "nginx", common.pinned(["nginx", "-e", folder + "/errors", "-p", folder, "-c", conf],
                                                       common.processors()[1]))
    trusted = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", bundle, BUNDLE]
    m = Measured(t, "https", web, options.tls_targets, options.tls_interval, options.intervals, trusted)
    web.stop(signal.SIGTERM)
    m.rows()


def measure(t, options):
    http(t, options)
    https(t, options)


if __name__ == "__main__":
    common.run(measure, [("--targets", 10000, 200, "addresses"),
                         ("--interval", 5, 1, "seconds from one probe of an address to the next"),
                         ("--tls-targets", 1000, 50, "addresses that speak TLS"),
                         ("--tls-interval", 10, 1, "seconds from one probe of these to the next"),
                         ("--intervals", 6, 4, "intervals to measure over")])
