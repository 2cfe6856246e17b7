"""Starting, signals, stopping: what is asked for happens, and what cannot be is one sentence."""

import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import dns.message

import common
from common import EU, NAME, US, lab


def start(t, *args, status=1, db=None, who=None):
    """A daemon that must not start: its exit status and its sentence."""
    argv = [t.meridiand, "--db", db or t.db] + list(args)
    if who:
        argv = ["setpriv", "--reuid", who, "--clear-groups", "--"] + argv
    done = subprocess.run(argv, env=t.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30)
    assert done.returncode == status, "exit %d: %s" % (done.returncode, done.stdout)
    assert not lab.BROKEN.search(done.stdout), done.stdout
    return done.stdout


# ---------------------------------------------------------------------------------------------- starting

def test_a_second_daemon_on_the_same_database_is_refused(t):
    d = common.world(t)
    text = common.sentence(start(t, "--listen", "127.0.0.9:53"))
    assert "another meridiand" in text and str(d.pid) in text, text
    link = os.path.join(t.folder, "link.db")
    os.symlink(t.db, link)
    assert "another meridiand" in start(t, "--listen", "127.0.0.9:53", db=link)
    assert lab.rdata(d.ask(NAME)) == [EU]
    common.edit(d, 1)


def test_a_port_that_is_taken_is_refused(t):
    common.world(t, daemon=False)
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as s:
            s.bind(("127.0.0.1", 5300))
            if kind == socket.SOCK_STREAM:
                s.listen()
            text = common.sentence(start(t, "--listen", "127.0.0.1:5300"))
            assert "127.0.0.1:5300" in text and "in use" in text, text


def test_two_daemons_do_not_share_a_port(t):
    common.world(t)
    other = os.path.join(t.folder, "other.db")
    t.meridian("init", db=other)
    text = common.sentence(start(t, "--listen", "127.0.0.1:53", db=other))
    assert "in use" in text, text


def test_an_address_that_is_not_here_is_refused(t):
    t.meridian("init")
    text = common.sentence(start(t, "--listen", "192.0.2.77:53"))
    assert "192.0.2.77" in text, text


def test_bad_words_on_the_command_line_are_refused(t):
    t.meridian("init")
    for args in (["--listen", "nonsense"], ["--listen", "127.0.0.1:99999"], ["--listen", ""], ["--listen", "127.0.0.1:0x"],
                 ["--set", "nothing=1"], ["--set", "workers=-1"], ["--set", "workers=many"], ["--set", "workers=100000"],
                 ["--set", "degrade=7"], ["--set", "control=/nonexistent/folder/x.sock"], ["--set", "geo=/nonexistent"]):
        got = subprocess.run([t.meridiand, "--db", t.db, "--listen", "127.0.0.1:5301"][:3] + args, env=t.env,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20) \
            if args[0] != "--set" or not args[1].startswith("geo") else None
        if got is None:
            continue
        assert got.returncode in (1, 2), "%s: exit %d %s" % (args, got.returncode, got.stdout)
        common.sentence(got.stdout)
    for args in (["--set", "x"], ["--nothing"], ["stray"], ["--log-level", "loud"], ["--set"], ["-x"], ["--help=x"]):
        common.sentence(start(t, *args, status=2))
    assert '"--listen"' in common.sentence(start(t, "--lisen", "127.0.0.1:53", status=2))


def test_a_control_path_that_cannot_be_is_refused(t):
    t.meridian("init")
    plain = t.write("plain", "x")
    for path in (plain, os.path.join(t.folder, "no", "such"), t.folder):
        text = common.sentence(start(t, "--listen", "127.0.0.1:5300", "--set", "control=" + path))
        assert path in text, text
    with open(plain) as f:
        assert f.read() == "x", "somebody's file was touched"


def test_an_ordinary_user_on_port_53_gets_one_clear_sentence(t):
    if os.geteuid() != 0:
        return
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
        if int(f.read()) <= 53:
            return
    common.world(t, daemon=False)
    os.chmod(t.folder, 0o777)
    for name in os.listdir(t.folder):
        if name.startswith("meridian.db"):
            os.chmod(os.path.join(t.folder, name), 0o666)
    text = common.sentence(start(t, "--listen", "127.0.0.1:53", who="nobody"))
    assert "53" in text and ("CAP_NET_BIND_SERVICE" in text or "ermission" in text), text


def test_four_workers_and_several_addresses_all_answer(t):
    common.world(t, daemon=False)
    d = t.daemon(["127.0.0.1:53", "127.0.0.2:5353", "[::1]:53"], args=["--set", "workers=4"])
    for at in d.listen:
        for tcp in (False, True):
            for _ in range(20):
                assert lab.rdata(d.ask(NAME, at=at, tcp=tcp)) == [EU]
    d.meridian("drain eu")
    for at in d.listen:
        for _ in range(20):
            assert lab.rdata(d.ask(NAME, at=at)) == [US]


def test_a_wildcard_answers_from_the_address_that_was_asked(t):
    common.world(t, daemon=False)
    d = t.daemon(["0.0.0.0:53", "[::]:53"])
    for address in ("127.0.0.1", "127.0.0.2", "127.9.8.7"):
        for tcp in (False, True):  # dnspython refuses an answer from another address
            assert lab.rdata(lab.ask(NAME, server=address, tcp=tcp)) == [EU]
    assert lab.rdata(lab.ask(NAME, server="::1")) == [EU]
    assert d.status()["revision"]


# ----------------------------------------------------------------------------------------------- signals

def test_reloads_under_load_lose_no_query(t):
    d = common.world(t)
    load = common.Load(6)
    until = time.monotonic() + 5
    n = 0
    while time.monotonic() < until:
        os.kill(d.pid, signal.SIGHUP)
        n += 1
        time.sleep(0.02)
    load.check()
    d.meridian("reload")
    assert "files read again" in d.log()


def read_all(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            return data
        data += more
    return data


def tcp_client(server="127.0.0.1"):
    s = socket.create_connection((server, 53), timeout=5)
    return s


def query(i=1):
    q = dns.message.make_query(NAME, "A")
    q.id = i
    wire = q.to_wire()
    return struct.pack("!H", len(wire)) + wire


def answer(s):
    head = read_all(s, 2)
    return dns.message.from_wire(read_all(s, struct.unpack("!H", head)[0])) if len(head) == 2 else None


def test_sigterm_lets_answers_in_flight_arrive(t):
    d = common.world(t)
    clients = [tcp_client() for _ in range(50)]
    for s in clients:
        s.sendall(query(1) + query(2)[:7])
    for s in clients:
        assert answer(s).id == 1
    os.kill(d.pid, signal.SIGTERM)
    d.wait_for_log("stopping")
    arrived = 0
    for s in clients:
        try:
            s.sendall(query(2)[7:])
            got = answer(s)
            arrived += got is not None and got.id == 2
        except OSError:
            pass
    assert arrived == 50, "%d of 50 queries that had begun were answered" % arrived
    assert d.popen.wait(10) == 0


def test_an_idle_client_does_not_hold_up_the_end(t):
    d = common.world(t)
    clients = [tcp_client() for _ in range(20)]
    clients[0].sendall(b"\0")
    watch = lab.Stopwatch()
    os.kill(d.pid, signal.SIGTERM)
    assert d.popen.wait(30) == 0
    took = watch.stop()
    assert took < 6, "the end took %.1f s" % took
    assert not os.path.exists(t.db + ".sock")


def test_two_words_to_stop_are_as_good_as_one(t):
    d = common.world(t)
    s = tcp_client()
    s.sendall(query(1)[:5])
    for sig in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(d.pid, sig)
        time.sleep(0.05)
    assert d.popen.wait(10) == 0, "ended with %s" % d.popen.returncode
    assert len(common.lines_of(d, "stopping")) == 1


def test_a_stop_in_the_middle_of_edits_answers_them_and_keeps_them(t):
    d = common.world(t)
    for k in range(5):
        done, served = [], []

        def editor(base):
            for n in range(50):
                got = d.meridian("region set eu --capacity %d" % (base + n), ok=None)
                if "serving" in got.stdout:
                    served.append(int(re.search(r"revision (\d+)", got.stdout).group(1)))
                else:
                    done.append((base + n, got))
                    return
        threads = [threading.Thread(target=editor, args=(10000 * (i + 1),)) for i in range(3)]
        for th in threads:
            th.start()
        lab.wait_for("an edit is served", lambda: served)
        time.sleep(0.3)
        assert d.stop() == 0
        for th in threads:
            th.join()
        for n, got in done:
            assert "stored" in got.stdout or got.returncode == 4, "edit %d: %s %s" % (n, got.stdout, got.stderr)
        d = t.daemon()
        head = max(served)
        log = d.meridian("log --limit 1000").stdout
        assert "revision %d serves" % head in log, "revision %d is not in the log:\n%s" % (head, log[-2000:])
    d.meridian("check")


def test_a_locked_database_does_not_hold_up_the_end(t):
    d = common.world(t)
    locker = common.Locker(t.db, 12)
    threads = [threading.Thread(target=lambda n=n: common.edit(d, n, ok=None)) for n in range(4)]
    for th in threads:
        th.start()
    time.sleep(0.3)
    watch = lab.Stopwatch()
    os.kill(d.pid, signal.SIGTERM)
    assert d.popen.wait(30) == 0
    took = watch.stop()
    for th in threads:
        th.join()
    assert took < 8, "the end took %.1f s" % took
    locker.wait()


def test_a_log_that_nobody_reads_delays_nobody(t):
    common.world(t, daemon=False)
    read_end, write_end = os.pipe()
    p = subprocess.Popen([t.meridiand, "--db", t.db, "--listen", "127.0.0.1:53"], env=t.env, stdout=write_end,
                         stderr=write_end, stdin=subprocess.DEVNULL)
    try:
        lab.wait_for("it serves", lambda: t.meridian("status", ok=None).returncode == 0)
        for n in range(1, 3):
            t.meridian("drain eu --reason first")
            t.meridian("undrain eu")
        c = common.Control(type("D", (), {"db": t.db}))
        for n in range(1500):  # far more than the pipe holds
            assert c.call(op="override", region="eu", state="up" if n % 2 else "auto", author="a", reason="r" * 70)["ok"]
        assert lab.rdata(lab.ask(NAME)) == [EU]
    finally:
        p.terminate()
        assert p.wait(10) == 0
        os.close(read_end)
        os.close(write_end)


if __name__ == "__main__":
    lab.run(globals())
