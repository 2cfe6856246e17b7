"""The control socket: what people, programs and accidents send there harms nobody else."""

import json
import os
import random
import socket
import subprocess
import threading
import time

import common
from common import EU, NAME, US, lab


def still_well(d):
    assert lab.rdata(d.ask(NAME)) in ([EU], [US])
    assert d.status()["revision"] > 0


def test_lines_that_are_no_request_are_refused_and_the_connection_lives_on(t):
    d = common.world(t)
    c = common.Control(d)
    for bad in (b"hello", b"{", b"[]", b"42", b"null", b'{"op":7}', b'{"op":"nothing"}', b'{"op":"edit"',
                b"\xff\xfe\x00\x01", b'{"op":"\xc3"}', b"{}" * 1000, b'{"op":"ping","op":"edit"}',
                b'{"op":"edit","edits":7}', b'{"op":"edit","edits":[7]}', b'{"op":"edit","edits":[{}]}',
                b'{"op":"edit","edits":[{"verb":"add","noun":"region"}]}',
                b'{"op":"apply"}', b'{"op":"apply","document":"{"}', b'{"op":"apply","document":7}',
                b'{"op":"rollback"}', b'{"op":"rollback","revision":"x"}', b'{"op":"rollback","revision":-5}',
                b'{"op":"rollback","revision":9223372036854775807}',
                b'{"op":"override"}', b'{"op":"override","region":7,"state":"up"}',
                b'{"op":"override","region":"eu","state":"up","service":"x"}',
                b'{"op":"override","region":"eu","state":"drain","to":7}',
                b'{"op":"override","region":"eu","state":"drain","over_ms":-1}',
                b'{"op":"override","region":"eu","state":"drain","over_ms":1e300}',
                b'{"op":"override","region":"eu","state":"drain","until_ms":1e300}',
                b'{"op":"override","region":"eu","state":"drain","until_ms":-1}',
                b'{"op":"release"}', b'{"op":"release","region":"x"}', b'{"op":"status","service":"x"}',
                b'{"op":"explain"}', b'{"op":"explain","name":7}', b'{"op":"geo-lookup"}',
                b'{"op":"geo-lookup","address":"x"}', b'{"op":"probe-run"}',
                b'{"op":"probe-run","probe":"x","address":"127.0.0.1"}'):
        c.send(bad + b"\n")
        got = c.line()
        assert got is not None and got["ok"] is False and got["error"], "%r: %r" % (bad, got)
        assert "\n" not in got["error"]
    assert c.call(op="ping")["ok"]
    still_well(d)


def test_odd_but_possible_values_are_taken_or_refused(t):
    d = common.world(t)
    rng = random.Random(int(os.environ.get("SEED", "1")))
    values = [None, True, 0, -1, 1, 1.5, 1 << 62, "", "x", "eu", "x" * 5000, "\u0000", "ä" * 700, [], {}, NAME,
              "127.0.0.1", [1], {"a": 1}]
    keys = ["region", "service", "address", "state", "to", "over_ms", "until_ms", "author", "reason", "name", "client",
            "type", "probe", "edits", "document", "force", "message", "dry_run", "verb", "revision", "limit", "since_ms",
            "from_ms", "id"]
    ops = ["ping", "edit", "apply", "override", "release", "status", "explain", "geo-lookup",
           "geo-status", "reload", "probe-run", "maintenance-add", "maintenance-remove"]
    c = common.Control(d)
    for _ in range(1500):
        request = {k: rng.choice(values) for k in rng.sample(keys, rng.randrange(8))}
        request["op"] = rng.choice(ops)
        if request["op"] == "override" and rng.random() < 0.5:
            request.update(region="eu", state=rng.choice(["up", "auto"]))
        if request["op"] == "maintenance-add" and rng.random() < 0.5:
            request.update(region="eu", state="drain", to=rng.random(), until_ms=1 << 42)
        got = c.call(**request)
        assert got is not None and "ok" in got, request
    d.meridian("undrain eu")
    still_well(d)


def test_explain_takes_any_question(t):
    d = common.world(t)
    c = common.Control(d)
    names = [NAME, "gslb.example", ".", "x", "nothing.gslb.example", "ns1.gslb.example", "a." * 120 + "gslb.example",
             "a" * 63 + ".gslb.example", "\\000\\255.gslb.example", "*.gslb.example", "_x.gslb.example", "WWW.GSLB.example"]
    types = ["A", "AAAA", "CNAME", "MX", "ANY", "OPT", "AXFR", "IXFR", "TYPE0", "TYPE65535", "SOA", "NS", "TSIG", "RRSIG"]
    clients = [None, "0.0.0.0", "0.0.0.0/0", "::", "::/0", "81.2.69.160", "81.2.69.160/24", "81.2.69.161/9", "2001:db8::1",
               "2001:db8::1/48", "2001:db8::1/128", "::ffff:1.2.3.4", "::ffff:1.2.3.4/104", "2002:102:304::/48",
               "64:ff9b::102:304", "64:ff9b::/96", "255.255.255.255/32", "127.0.0.1", "10.0.0.0/8", "fe80::1"]
    for name in names:
        for rdtype in types:
            for client in clients:
                request = {"op": "explain", "name": name, "type": rdtype}
                if client:
                    request["client"] = client
                c.send(request)
                got = c.line()
                assert got is not None and ("steps" in got or got["error"]), request
    still_well(d)


def test_a_huge_line_is_refused_and_takes_nobody_with_it(t):
    d = common.world(t)
    before = rss(d)
    c = common.Control(d)
    chunk = b"x" * (1 << 20)
    try:
        for _ in range(80):
            c.s.sendall(chunk)
        c.s.sendall(b"\n")
        got = c.line()
    except OSError:
        got = None
    assert got is None or got["ok"] is False
    c.close()
    still_well(d)
    lab.wait_for("the memory is given back", lambda: os.environ.get("MERIDIAN_E2E_SLOW") or
                 rss(d) < before + 40000, 5)


def rss(d):
    with open("/proc/%d/statm" % d.pid) as f:
        return int(f.read().split()[1]) * 4


def test_half_a_line_waits_alone(t):
    d = common.world(t)
    half = [common.Control(d) for _ in range(20)]
    for c in half:
        c.send(b'{"op":"pi')
    still_well(d)
    common.edit(d, 1)
    half[0].send(b'ng"}\n')
    assert half[0].line()["ok"]
    for c in half:
        c.close()
    still_well(d)


def connected(d):
    try:
        return common.Control(d)
    except BlockingIOError:
        return None


def test_a_hundred_idle_clients_leave_room_or_are_told(t):
    d = common.world(t)
    clients = []
    for _ in range(100):
        clients.append(lab.wait_for("a place in the queue", lambda: connected(d)))
    got = d.meridian("status", ok=None)
    assert got.returncode == 0 or "too many connections" in got.stderr, got
    assert lab.rdata(d.ask(NAME)) == [EU]
    for c in clients:
        c.close()
    lab.wait_for("room again", lambda: d.meridian("status", ok=None).returncode == 0)


def test_who_goes_in_the_middle_of_a_request_changes_nothing(t):
    d = common.world(t)
    before = d.status()["revision"]
    for n in range(60):
        c = common.Control(d)
        c.send({"op": "edit", "author": "a", "verb": "v", "edits": [
            {"verb": "set", "noun": "region", "name": "eu", "fields": {"capacity": 2000 + n}}]})
        if n % 3 == 0:
            c.send({"op": "log-follow", "since_ms": 1})
        if n % 2:
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.close()
    lab.wait_for("all edits are stored", lambda: d.status()["revision"] == before + 60, 20)
    still_well(d)


def test_a_command_killed_in_the_middle_of_an_edit_is_whole_or_nothing(t):
    d = common.world(t)
    rng = random.Random(1)
    document = json.loads(d.meridian("export").stdout)
    document["regions"] = document["regions"] + [{"name": "r%d" % i, "at": [0, i]} for i in range(20)]
    document.pop("revision", None)
    path = t.write("many.json", json.dumps(document))
    env = dict(t.env, MERIDIAN_DB=t.db)
    for n in range(25):
        p = subprocess.Popen([t.command, "apply", path, "--force", "--message", "kill-%d" % n], env=env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.03))
        p.kill()
        p.wait()
        regions = len(d.status()["regions"])
        assert regions in (2, 22), regions
        if regions == 22:
            d.meridian("rollback 6")
    still_well(d)
    d.meridian("check")


def make_events(d, n):
    for k in range(n):
        common.edit(d, k)


def test_a_stopped_reader_of_the_log_is_cut_and_delays_nobody(t):
    d = common.world(t)
    c = common.Control(d)
    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.send({"op": "log-follow"})
    assert c.line()["ok"]
    good = common.Control(d)
    good.send({"op": "log-follow"})
    assert good.line()["ok"]
    control = common.Control(d)
    seen = [0]

    def read():
        while good.line():
            seen[0] += 1
    threading.Thread(target=read, daemon=True).start()
    asker = common.Asker()
    reason = "r" * 150
    for n in range(6000):
        got = control.call(op="override", region="eu", state="up" if n % 2 else "auto", author="a", reason=reason)
        assert got["ok"], got
        if n % 1000 == 999:
            still_well(d)
    asker.check(100)
    lab.wait_for("the good reader has seen all", lambda: seen[0] >= 5900, 10)
    good.close()
    c.close()
    still_well(d)


def test_a_long_past_arrives_whole(t):
    d = common.world(t)
    control = common.Control(d)
    reason = "r" * 150
    for n in range(8000):
        assert control.call(op="override", region="eu", state="up" if n % 2 else "auto", author="a", reason=reason)["ok"]
    time.sleep(0.5)
    c = common.Control(d)
    c.send({"op": "log-follow", "since_ms": 1})
    assert c.line()["ok"]
    time.sleep(1)  # a reader that takes its time
    c.s.settimeout(60)
    got, line = 0, ""
    while "the last" not in line:
        line = json.dumps(c.line())
        assert line != "null", "cut after %d lines" % got
        got += 1
        if got == 4000:
            control.call(op="override", region="us", state="up", author="a", reason="the last")
    assert got >= 7000, "only %d lines of the past arrived" % got
    still_well(d)


def test_text_that_is_cut_stays_text(t):
    d = common.world(t)
    c = common.Control(d)
    c.send({"op": "log-follow"})
    assert c.line()["ok"]
    control = common.Control(d)
    for n in range(40):
        reason = "x" * n + "ä€😀" * 300
        got = control.call(op="override", region="eu", state="drain", author="ä" * 100 + "y" * n, reason=reason)
        assert "ok" in got
        if got["ok"]:
            line = c.line()
            assert line and "drain" in line["line"] or "override" in line["line"], line
    status = d.region("eu")
    assert status["set"] == "on" or (status["set_reason"] and status["set_author"]), status


def test_a_socket_file_that_is_deleted_comes_back(t):
    d = common.world(t)
    path = t.db + ".sock"
    old = common.Control(d)
    os.unlink(path)
    lab.wait_for("the socket is there again", lambda: os.path.exists(path) and
                 d.meridian("status", ok=None).returncode == 0, 10)
    common.edit(d, 1)
    old.close()
    d.stop()
    assert not os.path.exists(path)


if __name__ == "__main__":
    lab.run(globals())
