#!/usr/bin/python3
"""Reports over HTTP: who may, what is taken, and what never stops the daemon."""

import http.client
import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

SERVER, ADMIN = "127.53.0.1", ("127.53.0.9", 9053)
WWW = "www.gslb.example"


def start(t, admin="%s:%d" % ADMIN, **kw):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=%s" % SERVER)
    t.meridian("service add %s --policy weighted --ttl 5" % WWW)
    for name, address in (("london", "127.1.0.10"), ("virginia", "127.2.0.10")):
        t.meridian("region add %s --at 1,1 --capacity 1000" % name)
        t.meridian("endpoint", "add", WWW, name, address)
    t.meridian("set", "admin", admin)
    return t.daemon(listen=[SERVER + ":53"], **kw)


def token(t, name, *args):
    out = t.json("token", "add", name, *args)
    assert len(out["token"]) == 64, out
    return out["token"]


def post(body, bearer=None, path="/v1/report", method="POST", headers=()):
    c = http.client.HTTPConnection(*ADMIN, timeout=10)
    head = dict(headers)
    if bearer:
        head["Authorization"] = "Bearer " + bearer
    try:
        c.request(method, path, body if isinstance(body, (bytes, str)) else json.dumps(body), head)
        r = c.getresponse()
        return r.status, json.loads(r.read()), dict(r.getheaders())
    finally:
        c.close()


GOOD = {"region": "london", "service": WWW, "ok": 3500, "errors": 1500}


def test_a_report_with_a_token_moves_traffic(t):
    d = start(t)
    key = token(t, "haproxy")
    status, answer, head = post(GOOD, key)
    assert status == 200 and answer["ok"] is True and answer["source"] == "haproxy", (status, answer)
    assert head["Content-Type"] == "application/json"
    assert round(answer["effective"], 2) == 0.47 and answer["samples"] == 5000, answer
    d.wait_for_log(r"\[www\.gslb\.example/london\] availability 1\.00 -> 0\.47 .*source=haproxy", 2)
    d.wait_for_log(r"reports are taken on http://127\.53\.0\.9:9053/v1/report", 1)
    assert "loopback" not in d.log()


def test_without_a_known_token_nothing_is_read_or_moved(t):
    d = start(t)
    key = token(t, "haproxy")
    for bearer in (None, "x", key[:-1], key + "0", key.upper(), "0" * 64, "a" * 4000):
        status, answer, head = post(GOOD, bearer)
        assert status == 401 and answer["ok"] is False, (bearer, status, answer)
        assert head["WWW-Authenticate"].startswith("Bearer"), head
    assert post(GOOD, headers={"Authorization": "Basic " + key})[0] == 401
    assert "rule=degrade" not in d.log()
    assert post(GOOD, headers={"Authorization": "bearer   " + key})[0] == 200


def test_only_the_hash_of_a_token_is_stored_and_it_can_be_taken_back(t):
    start(t)
    key = token(t, "haproxy")
    keep = token(t, "other")
    stored = t.meridian("show admin-tokens").stdout
    assert key not in stored and "haproxy:" in stored, stored
    assert key.encode() not in open(t.db, "rb").read() + open(t.db + "-wal", "rb").read()
    assert "admin-tokens" not in t.meridian("export").stdout
    assert post(GOOD, key)[0] == 200
    assert [x["name"] for x in t.json("token", "list")] == ["haproxy", "other"]
    t.meridian("token remove haproxy")
    assert post(GOOD, key)[0] == 401 and post(GOOD, keep)[0] == 200
    r = t.meridian("token remove haproxy", ok=False)
    assert r.returncode == 3 and "nobody called" in r.stderr, r.stderr
    r = t.meridian("token add other", ok=False)
    assert r.returncode == 1 and "has a token" in r.stderr, r.stderr
    r = t.meridian("token add a,b", ok=False)
    assert r.returncode == 1 and "is no name for a token" in r.stderr, r.stderr
    r = t.meridian("token add mars --region mars", ok=False)
    assert r.returncode == 3, r.stderr


def test_a_token_of_a_region_reports_of_no_other(t):
    d = start(t)
    key = token(t, "lb", "--region", "london")
    assert post(GOOD, key)[0] == 200
    status, answer, _ = post(dict(GOOD, region="virginia"), key)
    assert status == 403 and answer["error"] == "this token reports of london only", answer
    assert post({"ok": 1}, key)[0] == 403
    assert "[www.gslb.example/virginia] report" not in d.log()


def test_what_is_wrong_has_its_status_and_a_sentence(t):
    start(t)
    key = token(t, "lb")
    for status, words, body in (
            (400, "not a JSON object", ""), (400, "not a JSON object", "{"), (400, "another value", "[]"),
            (400, "not a JSON object", '{"region":"london","region":"london"}'),
            (400, "not a JSON object", b"\xff\xfe"), (400, "is not part of a report", dict(GOOD, eror=1)),
            (400, "region is missing", {"ok": 1}), (400, "or load", {"region": "london"}),
            (404, "no region", dict(GOOD, region="mars")), (404, "no service", dict(GOOD, service="mars")),
            (422, "is not accepted", dict(GOOD, ok=-1)), (422, "is not accepted", dict(GOOD, ok=10 ** 12)),
            (422, "is not accepted", dict(GOOD, source="a b"))):
        got, answer, _ = post(body, key)
        assert got == status and words in answer["error"], (body, got, answer)
    assert post(GOOD, key, path="/v1/reports")[0] == 404 and post(GOOD, key, path="/")[0] == 404
    got, _, head = post("", key, method="GET")
    assert got == 405 and head["Allow"] == "POST"
    assert post("x" * 65536, key)[0] == 400
    got, answer, _ = post("x" * 65537, key)
    assert got == 413 and "64 KiB" in answer["error"], answer


def test_bad_clients_hold_up_nobody(t):
    d = start(t)
    key = token(t, "lb")
    idle = [socket.create_connection(ADMIN) for _ in range(30)]
    for s in idle:
        s.sendall(b"POST /v1/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bear")
    head = b"POST /v1/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.encode() + b"\r\n"
    s = socket.create_connection(ADMIN)  # a length that is not told, and never ends
    s.settimeout(10)
    s.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(40):
            s.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            time.sleep(0.01)
        cut = s.recv(1) == b""
    except OSError:
        cut = True
    assert cut, "a body without an end was read on"
    s = socket.create_connection(ADMIN)
    s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + os.urandom(200))
    began = time.monotonic()
    assert post(GOOD, key)[0] == 200
    assert lab.ask(WWW, server=SERVER).answer
    assert d.alive()
    print("    answered after %.0f ms" % (1000 * (time.monotonic() - began)))
    for s in idle:
        s.close()
    for _ in range(50):  # one connection, one after another
        assert post(GOOD, key)[0] == 200


def test_an_address_in_use_is_said_and_dns_goes_on(t):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(ADMIN)
        s.listen(1)
        d = start(t)
        d.wait_for_log(r"the HTTP side cannot listen on 127\.53\.0\.9:9053: ", 2)
        assert lab.ask(WWW, server=SERVER).answer


def test_it_is_off_unless_asked_for_and_warns_where_others_hear(t):
    d = start(t, admin="off")
    try:
        socket.create_connection(ADMIN, timeout=1)
        raise AssertionError("somebody listens")
    except OSError:
        pass
    d.stop()
    t.meridian("set admin *:9053")
    d = t.daemon(listen=[SERVER + ":53"])
    d.wait_for_log(r"is no loopback address: tokens go over the network as they are", 2)
    assert post(GOOD, "x")[0] == 401
    with socket.create_connection(("::1", 9053), timeout=2):
        pass


if __name__ == "__main__":
    lab.run(globals())
