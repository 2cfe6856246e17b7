"""What the programs of this folder share: a small world, a steady asker, folders that fill up."""

import ctypes
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

NAME = "www.gslb.example"
EU, US = "203.0.113.1", "203.0.113.2"


def world(t, daemon=True, policy="failover"):
    """A zone, two regions, a service that answers EU first; nothing is probed."""
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=127.0.0.1")
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("region add us --at 39.0,-77.5")
    t.meridian("service add %s --policy '%s' --ttl 30" % (NAME, policy))
    t.meridian("endpoint add %s eu %s --priority 1" % (NAME, EU))
    t.meridian("endpoint add %s us %s --priority 2" % (NAME, US))
    return t.daemon() if daemon else None


class Asker(threading.Thread):
    """Asks all the time; every query must be answered, and with addresses."""

    def __init__(self, name=NAME, every=0.005, server="127.0.0.1"):
        super().__init__(daemon=True)
        self.name_asked, self.every, self.server = name, every, server
        self.over, self.answered, self.lost, self.seen = False, 0, [], set()
        self.start()

    def run(self):
        while not self.over:
            try:
                got = lab.rdata(lab.ask(self.name_asked, server=self.server, timeout=2, tries=1))
                self.seen.add(tuple(got))
                self.answered += 1
                if not got:
                    self.lost.append("an empty answer")
            except Exception as e:  # whatever it is, it is a lost query
                self.lost.append("%s: %s" % (type(e).__name__, e))
            time.sleep(self.every)

    def check(self, least=1):
        """Ends once so many were answered, however slow the machine; nothing may have been lost."""
        lab.wait_for("%d answers" % least, lambda: self.lost or self.answered >= least, 30)
        self.over = True
        self.join()
        assert not self.lost, "%d lost, first: %s" % (len(self.lost), self.lost[0])


def edit(d, n, ok=True):
    return d.meridian("region set eu --capacity %d" % (1000 + n), ok=ok)


def capacity(t, region="eu", db=None):
    with sqlite3.connect("file:%s?mode=ro" % (db or t.db), uri=True) as c:
        return c.execute("SELECT capacity FROM region WHERE name = ?", (region,)).fetchone()[0]


def sentence(text):
    """A refusal is one line for a person, not a dump."""
    line = text.strip()
    assert line and "\n" not in line and len(line) < 600, "not one sentence: %r" % text
    return line


def degraded(d):
    return d.status()["degraded"]


def wait_degraded(d, seconds=10):
    return lab.wait_for("status says degraded", lambda: degraded(d), seconds)


def wait_well(d, seconds=15):
    lab.wait_for("the database works again", lambda: degraded(d) is None, seconds)


def copy_of(t, name="copy.db"):
    """A whole copy of the database as it is, log included."""
    path = os.path.join(t.folder, name)
    with sqlite3.connect(t.db) as a, sqlite3.connect(path) as b:
        a.backup(b)
    return path


def lines_of(process, needle):
    return [line for line in process.log().splitlines() if needle in line]


def small_disk(t, size="2m"):
    """A folder on a file system of its own, or None where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = t.make_folder("disk")
    clone_newns, rec_private, = 0x20000, 0x44000
    if libc.unshare(clone_newns) != 0 or libc.mount(b"none", b"/", None, rec_private, None) != 0:
        return None
    if libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, b"size=" + size.encode()) != 0:
        return None
    return folder


def unmount(folder):
    ctypes.CDLL(None).umount2(folder.encode(), 2)


def remount(folder, read_only):
    flags = 32 | (1 if read_only else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"none", folder.encode(), None, flags, None) == 0, os.strerror(ctypes.get_errno())


def fill(folder, leave=0):
    """Fills the disk but for `leave` bytes; returns the file that does it."""
    path = os.path.join(folder, "filler")
    with open(path, "wb", buffering=0) as f:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    if f.write(b"x" * size) < size:
                        break
            except OSError:
                pass
        if leave:
            f.truncate(max(0, f.tell() - leave))
    return path


class Locker:
    """Another process that holds the write lock."""

    def __init__(self, db, seconds, mode="IMMEDIATE", pragma=""):
        code = ("import sqlite3,sys,time\nc=sqlite3.connect(sys.argv[1],isolation_level=None,timeout=20)\n"
                "%s\nc.execute('BEGIN %s')\nprint('held',flush=True)\ntime.sleep(%g)\nc.execute('ROLLBACK')\n"
                % (pragma, mode, seconds))
        self.popen = subprocess.Popen([sys.executable, "-c", code, db], stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout.readline().strip() == "held"

    def wait(self):
        self.popen.wait(60)


class Control:
    """A raw connection to the control socket."""

    def __init__(self, d, path=None):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(10)
        self.s.connect(path or d.db + ".sock")
        self.rest = b""

    def send(self, what):
        self.s.sendall(what if isinstance(what, bytes) else json.dumps(what).encode() + b"\n")

    def line(self):
        """The next line as JSON, None at the end."""
        while b"\n" not in self.rest:
            more = self.s.recv(65536)
            if not more:
                return None
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line)

    def call(self, **request):
        self.send(request)
        return self.line()

    def close(self):
        self.s.close()


SLOW = bool(os.environ.get("MERIDIAN_E2E_SLOW"))


class Load:
    """A steady stream of queries in the background; every one must be answered, and not empty."""

    def __init__(self, seconds, qps=None, name=NAME, server="127.0.0.1"):
        program = os.path.join(lab.BUILD, "tests", "e2e", "main", "e2e_load")
        qps = qps or (500 if SLOW else 5000)
        self.least = qps * seconds // 2
        self.popen = subprocess.Popen([program, server, "53", str(qps), str(seconds), name, "0"],
                                      stdout=subprocess.PIPE, text=True)

    def check(self):
        out, _ = self.popen.communicate(timeout=120)
        got = json.loads(out)
        assert got["sent"] >= self.least, "the load was not there: %s" % got
        assert got["answered"] == got["sent"] and got["failed"] == 0, got
