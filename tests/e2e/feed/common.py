"""What the programs of this folder share: web servers that can be made ill, HAProxy, the feeder, a
steady load, and dig for thousands of client networks."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import lab  # noqa: E402

FEEDER = os.path.join(lab.SOURCE, "probes", "meridian_feed")
SERVER, ADMIN = "127.53.0.1", "127.53.0.9:9053"
WWW = "www.gslb.example"
REGIONS = {"london": ("127.1.0.10", "51.51,-0.13"), "virginia": ("127.2.0.10", "39.04,-77.49"),
           "tokyo": ("127.3.0.10", "35.68,139.77")}
WINDOW_S = 10


class Backend(lab.Process):
    """nginx after backend.conf.in; enter: what runs it in a network of its own."""

    def __init__(self, t, name, address, connections=256, enter=()):
        self.address, self.folder = address, t.make_folder(name)
        conf = t.fill(os.path.join(HERE, "backend.conf.in"), os.path.join(self.folder, "nginx.conf"),
                      DIR=self.folder, NAME=name, ADDRESS=address, CONNECTIONS=connections,
                      USER="user nobody nogroup;" if os.geteuid() == 0 else "")
        super().__init__(t, name, list(enter) + ["nginx", "-e", self.folder + "/error.log", "-p", self.folder,
                                                 "-c", conf])
        self.wait_until("listens", lambda: lab.connects(address, 80))
        self.status_url = "http://%s:8080/status" % address
        self.feed_log = os.path.join(self.folder, "feed.log")

    def fall_ill(self, how):
        with open(os.path.join(self.folder, how), "w"):
            pass

    def heal(self, how):
        os.unlink(os.path.join(self.folder, how))


class HAProxy(lab.Process):
    """HAProxy after haproxy.cfg.in; more: lines of its configuration."""

    def __init__(self, t, name, address, backend, more=""):
        self.folder = t.make_folder(name)
        self.conf = t.fill(os.path.join(HERE, "haproxy.cfg.in"), os.path.join(self.folder, "haproxy.cfg"),
                           DIR=self.folder, ADDRESS=address, BACKEND=backend, MORE=more)
        self.socket = os.path.join(self.folder, "stats.sock")
        super().__init__(t, name, ["haproxy", "-W", "-db", "-f", self.conf])
        self.wait_until("listens", lambda: os.path.exists(self.socket) and lab.connects(address, 80))


class Load(lab.Process):
    def __init__(self, t, address, rate, name="load", enter=()):
        super().__init__(t, name, list(enter) + [sys.executable, "-B", os.path.join(HERE, "load.py"), address, "80",
                                                 str(rate)])

    def result(self):
        self.stop()
        return json.loads(self.log())


def feeder(t, *args, name="feeder", env=None, enter=()):
    """The feeder, running."""
    return lab.Process(t, name, list(enter) + [FEEDER, "--interval", "1s", "--verbose"] + list(args),
                       dict(t.env, **(env or {})))


def world(t, regions=REGIONS, server=SERVER, admin=ADMIN, window_s=WINDOW_S):
    """A daemon with a service in regions; who answers there is the caller's. Returns it and a token."""
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=%s" % server)
    t.meridian("set", "geo", t.geo())
    t.meridian("set admin " + admin)
    t.meridian("probe add web --type http --path /healthz --interval 1s --timeout 500ms --fall 3 --rise 2")
    t.meridian("service add %s --policy nearest --ttl 5 --probe web --hold 2s --ramp 3s --window %gs" % (WWW, window_s))
    for name, (address, at) in regions.items():
        t.meridian("region add %s --at %s --capacity 1000" % (name, at))
        t.meridian("endpoint", "add", WWW, name, address)
    d = t.daemon(listen=[server + ":53"])
    lab.wait_for("first verdicts", lambda: all(
        s["observed"] == "up" for s in d.status(WWW)["services"][0]["sites"]), 15)
    return d, t.json("token", "add", "haproxy")["token"]


def site(d, region):
    return next(s for s in d.status(WWW)["services"][0]["sites"] if s["region"] == region)


def dig_many(t, subnets, server=SERVER, enter=()):
    """The address that each network is given, asked with one run of dig."""
    batch = t.write("dig.batch", "".join("@%s %s A +subnet=%s +short +tries=3 +time=2\n" % (server, WWW, n) for n in subnets))
    done = subprocess.run(list(enter) + ["dig", "-f", batch], env=t.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    got = done.stdout.split()
    assert done.returncode == 0 and len(got) == len(subnets), (done.returncode, len(got), done.stdout[-500:])
    return got


def percent(got, address):
    return 100.0 * got.count(address) / len(got)
