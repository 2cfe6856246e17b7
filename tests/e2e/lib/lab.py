"""lab: the real parts that an end-to-end test needs, on loopback addresses of its own.

Each test program calls run(), which first moves it into a network namespace of its own: there every
address of 127.0.0.0/8 and every port is free, tests do not see each other, and an ordinary user may
bind port 53. Where that is not possible, root goes on in the machine's network, one test at a time;
anybody else skips (exit status 77).

    import lab

    def test_an_edit_is_in_force_when_it_returns(t):
        d = t.daemon()
        d.meridian("region add eu --at 51.5,-0.1")
        ...

    if __name__ == "__main__":
        lab.run(globals())

A test is a function whose name begins with test_ and says what must hold; it gets a Lab and fails by
raising (assert will do). The Lab's folder and all its processes go when it ends; where it failed, the
ends of their logs are printed. LAB_KEEP=1 keeps the folder. Waiting is bounded everywhere; the whole
program by LAB_SECONDS (default 240). The binaries are those of MERIDIAN_BUILD.
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PARTS = os.path.join(SOURCE, "scripts", "parts")
BUILD = os.path.abspath(os.environ.get("MERIDIAN_BUILD", os.path.join(SOURCE, "build")))
SKIPPED = 77
LOOKS = 10
NICE = -20

# What a sanitizer, CHECK or libuv says before it ends a program.
BROKEN = re.compile(r"^.*(Sanitizer: |runtime error: |check failed: |Assertion ).*$", re.M)


class Refused(Exception):
    """A command that should have succeeded did not."""


def wait_for(what, condition, seconds=10.0, every=0.05):
    """Calls condition until it returns something true, and returns that. Programs that a sanitizer slows
    down get three times as long. Where a machine has no time for us a look takes seconds: it is over when
    LOOKS were in vain, and the last of them began after the time."""
    seconds *= 3 if os.environ.get("MERIDIAN_E2E_SLOW") else 1
    deadline, looks, late = time.monotonic() + seconds, 0, False
    while True:
        got = condition()
        if got:
            return got
        looks += 1
        if late and looks >= LOOKS:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(every)
        late = time.monotonic() > deadline


class Stopwatch:
    """The time that the machine gave to those who wanted to run, for what Meridian promises to do in time: what
    a thread slept too long, because the machine stood still or others had its processors, does not count."""

    STEP_S = 0.01

    def __init__(self):
        self.began, self.stalled, self.over = time.monotonic(), 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        before = self.began
        while not self.over.is_set():
            time.sleep(self.STEP_S)
            now = time.monotonic()
            if now - before > 2 * self.STEP_S:
                self.stalled += now - before - self.STEP_S
            before = now

    def seconds(self):
        return time.monotonic() - self.began - self.stalled

    def stop(self):
        """The seconds that counted."""
        counted = self.seconds()
        self.over.set()
        self.thread.join()
        return counted


def pause(seconds):
    """Until the machine has given so much time: for what a daemon does soon, and nobody can see."""
    watch = Stopwatch()
    while watch.seconds() < seconds:
        time.sleep(Stopwatch.STEP_S)
    watch.stop()


def prefer(pid):
    """A process goes before other people's work, where that is allowed: what is lost must be the server's
    doing. Where the kernel groups processes by session, it is the group's niceness that counts."""
    try:
        for thread in os.listdir("/proc/%d/task" % pid):
            os.setpriority(os.PRIO_PROCESS, int(thread), NICE)
        with open("/proc/%d/autogroup" % pid, "w") as f:
            f.write("%d" % NICE)
    except OSError:  # an ordinary user, or no such grouping
        pass


def connects(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(1)
        return s.connect_ex((address, port)) == 0


class Process:
    """A program that the lab started; out and err go to one log."""

    def __init__(self, lab, name, argv, env=None):
        self.name, self.argv = name, argv
        self.log_path = os.path.join(lab.folder, name + ".log")
        self.log_begin = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=env or lab.env, start_new_session=True)
        self.pid = self.popen.pid
        lab.processes.append(self)

    def log(self):
        """What it has said since it was started."""
        with open(self.log_path, "rb") as f:
            f.seek(self.log_begin)
            return f.read().decode("utf-8", "replace")

    def alive(self):
        return self.popen.poll() is None

    def wait_until(self, what, condition, seconds=15.0):
        def check():
            if not self.alive():
                raise AssertionError("%s ended with %s: %s" % (self.name, self.popen.returncode, self.log()[-2000:]))
            return condition()
        return wait_for("%s: %s" % (self.name, what), check, seconds)

    def wait_for_log(self, pattern, seconds=15.0):
        """The first match of a regular expression in its log."""
        return self.wait_until("a line matching %r" % pattern,
                               lambda: re.search(pattern, self.log(), re.M), seconds)

    def stop(self, sig=signal.SIGTERM, seconds=10.0):
        """Ends it and returns its exit status (negative: the signal)."""
        if self.alive():
            self.popen.send_signal(sig)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError("%s did not end within %g s of signal %d" % (self.name, seconds, sig))


class Region(Process):
    """A real web server on its own address: / says its name, /healthz "ok"."""

    def __init__(self, lab, name, address, port=80):
        self.address, self.port = address, port
        self.folder = lab.make_folder(name)
        conf = lab.fill("nginx.conf.in", os.path.join(self.folder, "nginx.conf"), DIR=self.folder, NAME=name,
                        ADDRESS="[%s]" % address if ":" in address else address, PORT=port,
                        USER="user nobody nogroup;" if os.geteuid() == 0 else "")
        super().__init__(lab, name, ["nginx", "-e", self.folder + "/error.log", "-p", self.folder, "-c", conf])
        self.wait_until("listens", lambda: connects(address, port))

    def sicken(self):
        """Its health check answers 503 from now on."""
        with open(os.path.join(self.folder, "sick"), "w"):
            pass

    def heal(self):
        os.unlink(os.path.join(self.folder, "sick"))

    def freeze(self):
        """It accepts connections and never answers: a time-out, as a probe sees it."""
        for pid in self._tree():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self._tree():
            os.kill(pid, signal.SIGCONT)

    def _tree(self):
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
            return [self.pid] + [int(x) for x in f.read().split()]

    def stop(self, sig=signal.SIGTERM, seconds=10.0):
        if self.alive():
            self.thaw()
        return super().stop(sig, seconds)


class Daemon(Process):
    """meridiand on a database, and the command line that goes with it."""

    def __init__(self, lab, name, db, listen, args=(), env=None, wait=True):
        self.lab, self.db, self.listen = lab, db, listen
        self.may_fail = not wait  # who does not wait for it looks at how it ends
        argv = [lab.meridiand, "--db", db]
        for at in listen:
            argv += ["--listen", at]
        super().__init__(lab, name, argv + list(args), env)
        if wait:
            self.wait_until("serves", lambda: lab.meridian("status", "--json", db=db, ok=None).returncode == 0)

    def meridian(self, *args, **kw):
        return self.lab.meridian(*args, db=self.db, **kw)

    def ask(self, name, rdtype="A", at=None, **kw):
        address, port = split_address(at or self.listen[0])
        return ask(name, rdtype, address, port, **kw)

    def fault(self):
        """What is wrong with how it ended: a sanitizer's report, a failed check, or its exit status."""
        found = BROKEN.search(self.log())
        if found:
            return "%s: %s" % (self.name, found.group(0))
        if self.popen.returncode not in (0, -signal.SIGKILL) and not self.may_fail:
            return "%s ended with %s" % (self.name, self.popen.returncode)
        return None

    def status(self, service=None):
        """What `meridian status --json` says. Tests ask all the time, so they ask the socket that the command
        asks; where that gives none, the command says why."""
        got = self.control({"op": "status", **({"service": service} if service else {})})
        return got if got and got.pop("ok") else self.lab.json("status", *([service] if service else []), db=self.db)

    def control(self, request):
        """The reply on the control socket, None without one."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(30)
                s.connect(self.db + ".sock")
                s.sendall(json.dumps(request).encode() + b"\n")
                with s.makefile("rb") as f:
                    return json.loads(f.readline() or "null")
        except (OSError, ValueError):  # none, or one that is ending
            return None

    def region(self, name):
        """What status says of a region."""
        return next(r for r in self.status()["regions"] if r["name"] == name)


def split_address(text):
    """"127.0.0.1:53" or "[::1]:53" in two."""
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def ask(name, rdtype="A", server="127.0.0.1", port=53, subnet=None, source=None, tcp=False, edns=True,
        payload=1232, timeout=3.0, recurse=False, tries=2):
    """One query; the answer as dnspython's message. subnet: "192.0.2.0/24"."""
    options = []
    if subnet:
        network, _, bits = subnet.partition("/")
        options.append(dns.edns.ECSOption(network, int(bits or (128 if ":" in network else 32)), 0))
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else -1, payload=payload, options=options)
    if not recurse:
        query.flags &= ~dns.flags.RD
    send = dns.query.tcp if tcp else dns.query.udp
    for left in reversed(range(tries)):
        try:
            return send(query, server, timeout=timeout, port=port, source=source)
        except dns.exception.Timeout:
            if not left:
                raise


def rdata(message, rdtype="A"):
    """The answer's records of a type, as sorted texts."""
    wanted = dns.rdatatype.from_text(rdtype)
    return sorted(r.to_text() for rrset in message.answer if rrset.rdtype == wanted for r in rrset)


def scope(message):
    """The scope of the answer's client subnet, or None."""
    for option in message.options:
        if isinstance(option, dns.edns.ECSOption):
            return option.scopelen
    return None


def scratch():
    """Where the folders of tests are, None for the usual place: in memory, for each edit waits for the disk, and
    on a busy machine that is what a test would measure. TMPDIR says otherwise."""
    memory = "/dev/shm"
    if os.environ.get("TMPDIR") or not os.access(memory, os.W_OK | os.X_OK):
        return None
    room = os.statvfs(memory)
    return None if room.f_flag & os.ST_NOEXEC or room.f_bavail * room.f_frsize < 1 << 30 else memory


class Lab:
    """One test's world: a folder and the processes in it."""

    built = {}  # geo databases by their list: each is built once

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="meridian-%s-" % name[:40], dir=scratch())
        os.chmod(self.folder, 0o755)
        self.processes = []
        self.undo = []  # commands for the end
        self.meridiand = os.path.join(BUILD, "src", "meridiand", "meridiand")
        self.command = os.path.join(BUILD, "src", "meridian", "meridian")
        self.db = os.path.join(self.folder, "meridian.db")
        self.env = dict(os.environ, PATH=os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin",
                        LC_ALL="C.UTF-8")
        self.env.pop("MERIDIAN_DB", None)

    # files

    def make_folder(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, mode=0o755, exist_ok=True)
        return path

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def fill(self, template, path, **values):
        """Writes a template of scripts/parts with each @NAME@ replaced."""
        with open(os.path.join(PARTS, template), encoding="utf-8") as f:
            text = f.read()
        for key, value in values.items():
            text = text.replace("@%s@" % key, str(value))
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def geo(self, csv=None, name="geo.mmdb"):
        """A database built from lines of the list format, or the demonstration's."""
        source = self.write(name + ".csv", csv) if csv else os.path.join(SOURCE, "geoip", "demo.csv")
        path = os.path.join(self.folder, name)
        if csv not in Lab.built:
            done = subprocess.run([os.path.join(SOURCE, "geoip", "build"), source, path], env=self.env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, timeout=120)
            if done.returncode != 0:
                raise Refused("geoip/build: " + done.stdout)
            with open(path, "rb") as f:
                Lab.built[csv] = f.read()
        with open(path, "wb") as f:
            f.write(Lab.built[csv])
        return path

    # programs

    def address(self, address):
        """One more address of the loopback interface, for those who do not take one of 127.0.0.0/8."""
        subprocess.run(["ip", "address", "replace", address + "/32", "dev", "lo"], env=self.env, check=True)
        self.undo.append(["ip", "address", "del", address + "/32", "dev", "lo"])
        return address

    def meridian(self, *args, db=None, ok=True, stdin=None, timeout=30, env=None):
        """Runs the command line. One argument with blanks is split as a shell would.
        ok: True must succeed, False must not, None either."""
        argv = shlex.split(args[0]) if len(args) == 1 else [str(a) for a in args]
        done = subprocess.run([self.command] + argv, env=dict(env or self.env, MERIDIAN_DB=db or self.db),
                              input=stdin or "", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout)
        if BROKEN.search(done.stderr) or done.returncode < 0:
            raise AssertionError("meridian %s: exit %d\n%s" % (shlex.join(argv), done.returncode, done.stderr))
        if ok is not None and (done.returncode == 0) != ok:
            raise Refused("meridian %s: exit %d\n%s%s" % (shlex.join(argv), done.returncode, done.stdout, done.stderr))
        return done

    def json(self, *args, **kw):
        return json.loads(self.meridian(*args, "--json", **kw).stdout)

    def daemon(self, listen=("127.0.0.1:53",), name="meridiand", db=None, args=(), env=None, wait=True):
        return Daemon(self, name, db or self.db, list(listen), args, env, wait)

    def region(self, name, address, port=80):
        return Region(self, name, address, port)

    def name_server(self, name, address, zone, template, more="", **values):
        """NSD serving one zone: a template of scripts/parts and more lines."""
        folder = self.make_folder(name)
        path = self.fill(template, os.path.join(folder, "zone"), ADDRESS=address, **values)
        with open(path, "a", encoding="utf-8") as f:
            f.write(more)
        conf = self.fill("nsd.conf.in", os.path.join(folder, "nsd.conf"), DIR=folder, ADDRESS=address, ZONE=zone)
        p = Process(self, name, ["nsd", "-d", "-c", conf])
        p.wait_until("answers", lambda: answers(zone, "SOA", address))
        return p

    def parent(self, address, delegation):
        """NSD serving "example" with these lines of a zone file in it."""
        return self.name_server("nsd", address, "example", "example.zone.in", delegation)

    def root(self, address, parent):
        """NSD serving a root that knows one domain, "example" on parent."""
        return self.name_server("root", address, ".", "root.zone.in", PARENT=parent)

    def resolver(self, address, parent, ecs, top="example", more="", name="unbound"):
        """unbound, whose world begins at top; it sends client subnets to the network ecs. more: a part
        of its configuration."""
        folder = self.make_folder(name)
        conf = self.fill("unbound.conf.in", os.path.join(folder, "unbound.conf"), DIR=folder, ADDRESS=address,
                         PARENT=parent, ECS=ecs, TOP=top)
        with open(conf, "a", encoding="utf-8") as f:
            f.write(more)
        return self._resolver(name, address, ["unbound", "-d", "-c", conf])

    def bind(self, address, root):
        """BIND, whose root is there. It listens only on addresses that an interface has: see address()."""
        folder = self.make_folder("named")
        with open(os.path.join(folder, "root.hints"), "w", encoding="utf-8") as f:
            f.write(". 3600 IN NS a.root.\na.root. 3600 IN A %s\n" % root)
        conf = self.fill("named.conf.in", os.path.join(folder, "named.conf"), DIR=folder, ADDRESS=address)
        return self._resolver("named", address, ["named", "-4", "-n", "1", "-g", "-c", conf])

    def knot_resolver(self, address, root):
        """Knot Resolver, whose root is there. It takes no name server in 127.0.0.0/8: see address()."""
        folder = self.make_folder("kresd")
        conf = self.fill("kresd.conf.in", os.path.join(folder, "kresd.conf"), ADDRESS=address, ROOT=root)
        return self._resolver("kresd", address, ["kresd", "-n", "-c", conf, folder])

    def _resolver(self, name, address, argv):
        p = Process(self, name, argv)
        p.wait_until("answers", lambda: answers("example", "SOA", address))
        return p

    def close(self, failed):
        """Ends everything; False where a program did not end as it should."""
        faults = []
        for p in reversed(self.processes):
            if p.alive():
                try:
                    os.kill(p.pid, signal.SIGCONT)
                    p.stop(seconds=20)
                except (AssertionError, ProcessLookupError) as e:
                    faults.append(str(e))
        for argv in reversed(self.undo):
            subprocess.run(argv, env=self.env)
        faults += [p.fault() for p in self.processes if isinstance(p, Daemon) and p.fault()]
        for text in faults:
            print("    " + text)
        failed = failed or bool(faults)
        if failed:
            for p in self.processes:
                print("    --- end of %s.log (exit %s)" % (p.name, p.popen.returncode))
                print("    " + "\n    ".join(p.log().splitlines()[-40:]))
        if os.environ.get("LAB_KEEP"):
            print("    kept: %s" % self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return not faults


def answers(name, rdtype, server, port=53, timeout=0.5):
    """timeout: where nobody listens a question waits for all of it."""
    try:
        return bool(ask(name, rdtype, server, port, timeout=timeout, recurse=True, tries=1).answer)
    except (dns.exception.DNSException, OSError):
        return False


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, 0x8913, request))[1]  # SIOCGIFFLAGS
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))  # SIOCSIFFLAGS, IFF_UP


def isolate():
    """Into a network namespace; or, as root where there is none to be had, alone in the machine's."""
    if os.environ.get("LAB_INSIDE"):
        del os.environ["LAB_INSIDE"]
        loopback_up()
        return None
    root = os.geteuid() == 0
    how = ["unshare", "--net"] if root else ["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]
    if subprocess.run(how + ["true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ["LAB_INSIDE"] = "1"
        os.execvp(how[0], how + [sys.executable, "-B"] + sys.argv)
    if not root:
        print("skipped: no network namespace for an ordinary user here")
        sys.exit(SKIPPED)
    lock = open(os.path.join(tempfile.gettempdir(), "meridian-e2e.lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def run(tests):
    """Runs every function whose name begins with test_, or those named on the command line."""
    sys.stdout.reconfigure(line_buffering=True)
    lock = isolate()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("the tests took longer than LAB_SECONDS"))
    signal.alarm(int(os.environ.get("LAB_SECONDS", "240")))
    chosen = [(n, f) for n, f in tests.items() if n.startswith("test_") and (len(sys.argv) < 2 or n in sys.argv[1:])]
    if not chosen:
        sys.exit("no such test: " + " ".join(sys.argv[1:]))
    failed = 0
    for name, function in chosen:
        began, ok = time.monotonic(), False
        lab = Lab(name[5:])
        try:
            function(lab)
            ok = True
        except Exception:
            print("    " + "    ".join(traceback.format_exc().splitlines(keepends=True)))
        finally:
            ok = lab.close(failed=not ok) and ok
        failed += not ok
        print("%s %s (%.1f s)" % ("ok    " if ok else "FAILED", name[5:].replace("_", " "), time.monotonic() - began))
    del lock
    sys.exit(1 if failed else 0)
