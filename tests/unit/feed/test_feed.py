#!/usr/bin/python3
"""probes/meridian_feed without any server: formats, differences, and a daemon that is away."""

import argparse
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import traceback

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAM = os.path.join(SOURCE, "probes", "meridian_feed")
loader = importlib.machinery.SourceFileLoader("feed", PROGRAM)
feed = importlib.util.module_from_spec(importlib.util.spec_from_loader("feed", loader))
loader.exec_module(feed)

# As HAProxy 2.6 writes it, the columns that say nothing here left out.
HEAD = ("# pxname,svname,scur,slim,stot,econ,eresp,wretr,wredis,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,"
        "cli_abrt,srv_abrt,mode,")
INFO = "Name: HAProxy\nPid: %d\nStart_time_sec: 1795691705\n\n"


def stat(pid, *rows):
    return INFO % pid + "\n".join((HEAD,) + rows) + "\n\n"


def www(ok, bad, pid=7, gone=0, broken=0, extra=()):
    return stat(pid, "www,BACKEND,40,200,%d,0,0,0,0,0,%d,0,0,%d,%d,%d,http," % (ok + bad, ok, bad, gone, broken), *extra)


class Fake(feed.HAProxy):
    """Says what it is given, one text after the other."""

    def __init__(self, *texts):
        super().__init__("/fake.sock", 1)
        self.texts = list(texts)

    def ask(self):
        text = self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return text


def read(source, times, gap_max=60):
    return [source.read(t, gap_max) for t in times]


def counted(reading, name):
    c = reading.counts.get(name)
    return c and (c.ok, c.errors)


def test_the_first_reading_reports_nothing_and_the_next_what_was_added():
    first, second = read(Fake(www(1000, 50), www(1070, 80)), (0, 10))
    assert first.counts == {} and first.loads["limit"]["www"] == (40, 200)
    assert counted(second, "www") == (70, 30) and second.seconds == 10
    assert second.loads["requests"]["www"] == 10


API = "api,BACKEND,0,0,9,0,0,0,0,0,%d,0,0,%d,0,0,http,"


def test_a_reload_counts_from_nothing_even_where_a_counter_is_higher():
    before, after = www(1000, 50, extra=(API % (5, 5),)), www(60, 80, pid=8, extra=(API % (70, 10),))
    reading = read(Fake(before, after), (0, 10))[1]
    assert counted(reading, "www") == (60, 80) and counted(reading, "api") == (70, 10)


def test_a_reload_that_keeps_the_counters_is_none():
    reading = read(Fake(www(1000, 50), www(1060, 50, pid=8)), (0, 10))[1]
    assert counted(reading, "www") == (60, 0)


def test_cleared_counters_are_no_negative_counts():
    reading = read(Fake(www(1000, 50), www(30, 60)), (0, 10))[1]
    assert counted(reading, "www") == (30, 60), counted(reading, "www")


def test_a_proxy_that_is_new_in_a_running_haproxy_counts_from_then_on():
    reading = read(Fake(www(1, 1), www(2, 1, extra=(API % (500, 500),))), (0, 10))[1]
    assert counted(reading, "www") == (1, 0) and "api" not in reading.counts


def test_after_a_long_silence_old_counts_are_no_news():
    a, b, c = read(Fake(www(1, 1), www(900, 900), www(901, 902)), (0, 1000, 1010))
    assert b.counts == {} and counted(c, "www") == (1, 2)


def test_a_reading_that_failed_is_made_up_by_the_next():
    source = Fake(www(0, 0), OSError("x"), www(10, 5))
    source.read(0, 60)
    try:
        source.read(10, 60)
        raise AssertionError("it should have failed")
    except OSError:
        pass
    reading = source.read(20, 60)
    assert counted(reading, "www") == (10, 5) and reading.seconds == 20


def test_clients_that_give_up_count_for_nothing_and_broken_answers_as_failures():
    reading = read(Fake(www(0, 0), www(100, 7, gone=10, broken=3)), (0, 10))[1]
    assert counted(reading, "www") == (87, 10), counted(reading, "www")


def test_a_server_is_judged_by_attempts_and_a_tcp_proxy_by_sessions():
    before = ("www,web1" + ",0" * 14 + ",http,", "db,d1,0,0,0,0,0,0,0,,,,,,0,0,tcp,", "db,BACKEND,0,0,0,0,0,0,0,,,,,,0,0,tcp,")
    after = ("www,web1,0,0,30,1,2,3,4,0,15,1,1,3,0,0,http,", "db,d1,0,0,20,1,2,3,4,,,,,,0,9,tcp,",
             "db,BACKEND,0,0,20,1,2,3,4,,,,,,0,9,tcp,")
    reading = read(Fake(stat(7, *before), stat(7, *after)), (0, 10))[1]
    assert counted(reading, "www/web1") == (17, 13)
    assert counted(reading, "db/d1") == (10, 10)
    assert counted(reading, "db") == (17, 3)


def test_a_tcp_frontend_and_a_name_that_is_not_there_are_complained_of():
    source = Fake(stat(7, "f,FRONTEND,3,100,20,,,,,,,,,,,,tcp,"))
    reading = source.read(0, 60)
    assert "counts no errors" in source.lacks("f") and "there is no \"g\"" in source.lacks("g")
    assert reading.loads["limit"]["f"] == (3, 100)


def test_a_frontend_alone_is_meant_by_its_name_and_a_backend_before_it():
    front = "www,FRONTEND,0,0,1,,,,,0,%d,0,0,0,0,0,http,"
    reading = read(Fake(www(0, 0, extra=(front % 0,)), www(5, 5, extra=(front % 100,))), (0, 10))[1]
    assert counted(reading, "www") == (5, 5) and counted(reading, "www/FRONTEND") == (100, 0)


def test_what_is_no_statistics_is_told():
    for text, words in (("Permission denied\n", "Permission denied"), ("", "no statistics"), ("<html>", "<html>")):
        try:
            Fake(text).read(0, 60)
            raise AssertionError("taken: " + text)
        except feed.Problem as e:
            assert words in str(e), e


STUB = "Active connections: %d \nserver accepts handled requests\n %d %d %d \nReading: 0 Writing: 1 Waiting: 5 \n"


class FakeStatus(feed.NginxStatus):
    def __init__(self, *texts):
        super().__init__("http://127.0.0.1/s", 1)
        self.texts = list(texts)

    def ask(self):
        return self.texts.pop(0)


def test_stub_status_counts_connections_less_the_reading_itself():
    first, second, third = read(FakeStatus(STUB % (7, 100, 100, 300), STUB % (12, 151, 141, 501),
                                           STUB % (2, 4, 4, 9)), (0, 10, 20))
    assert first.counts == {} and first.loads["sessions"]["connections"] == 6
    assert counted(second, "connections") == (40, 10)
    assert second.loads["requests"]["connections"] == 20
    assert counted(third, "connections") == (3, 0), "nginx was started again"
    try:
        feed.stub_parse("<html>404")
        raise AssertionError("taken")
    except feed.Problem as e:
        assert "404" in str(e)


def test_a_log_is_read_over_its_rotations():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        write(path, "www 500 0.001\n" * 9)  # before it began
        log = feed.NginxLog(path, {"www", "a b"})
        assert log.read(0, 60).counts == {}
        write(path, "www 200 0.010\nwww 404 0.010\nwww 502 0.010\nwww 499 0.1\nwww 444 0.1\nother 500 0.1\n"
                    "a b 200 -\nnonsense\nwww 20")
        reading = log.read(10, 60)
        assert counted(reading, "www") == (2, 1) and counted(reading, "a b") == (1, 0), reading.counts
        assert log.skipped == 1 and "other" not in reading.counts
        write(path, "0 0.010\n")
        os.rename(path, path + ".1")
        write(path, "www 200 0.010\n" * 3)
        assert counted(log.read(20, 60), "www") == (4, 0), "the half line, and the new file"
        write(path + ".1", "www 503 0.010\nwww 503")  # the server has not been told yet
        assert counted(log.read(30, 60), "www") == (0, 1)
        assert log.skipped == 1, "what a server left unfinished"
        with open(path, "w") as f:
            f.write("www 500 0.010\n")  # cut
        assert counted(log.read(40, 60), "www") == (0, 1)
        os.unlink(path)
        assert log.read(50, 60).counts == {}
        write(path, "www 500 0.010\n")
        assert counted(log.read(60, 60), "www") == (0, 1)


def write(path, text):
    with open(path, "a", encoding="utf-8") as f:
        f.write(text)


def test_quantiles_are_told_of_enough_requests_only():
    ms = feed.collections.Counter(range(1, 101))
    assert feed.quantile(ms, 0.5, 10) == 50 and feed.quantile(ms, 0.99, 100) == 99
    assert feed.quantile(ms, 0.99, 101) is None


class FakeDaemon:
    def __init__(self):
        self.got, self.fault = [], None

    def __str__(self):
        return "daemon"

    def send(self, body):
        if self.fault:
            raise self.fault
        self.got.append(body)


def outbox(keep=60):
    daemon, out = FakeDaemon(), io.StringIO()
    voice = feed.Voice(out, clock=lambda: 0.0)
    return daemon, feed.Outbox(daemon, "haproxy", keep, voice), out


WWW, REGION = feed.Target("eu", "www.x"), feed.Target("eu")


def passes(box, *moments, ok=10, errors=1, load=None):
    for now in moments:
        box.add(now - 10, now, [(WWW, feed.Counts(ok, errors))])
        box.deliver(now, REGION, load)


def test_a_report_says_what_was_counted():
    daemon, box, out = outbox()
    passes(box, 10, load=("load", 12.4))
    passes(box, 20, ok=0, errors=0)
    assert daemon.got == [
        {"region": "eu", "service": "www.x", "source": "haproxy", "ok": 10, "errors": 1, "covers_ms": 10000},
        {"region": "eu", "source": "haproxy", "load": 12}], daemon.got
    assert out.getvalue() == ""


def test_a_daemon_that_is_away_gets_one_report_of_what_is_still_news():
    daemon, box, out = outbox(keep=60)
    daemon.fault = feed.Away("cannot connect: connection refused")
    passes(box, *range(10, 1010, 10))
    assert len(box.waiting[WWW.key][1]) <= 7
    daemon.fault = None
    passes(box, 1010)
    (body,) = daemon.got
    assert (body["ok"], body["errors"], body["covers_ms"]) == (70, 7, 70000), body
    assert out.getvalue().splitlines() == [
        "meridian_feed: daemon: cannot connect: connection refused",
        "meridian_feed: over after 0 s: daemon: cannot connect: connection refused"], out.getvalue()


def test_what_may_have_been_taken_or_was_refused_is_not_sent_again():
    for fault in (feed.Unsure("no answer to a report: timed out"), feed.Problem("refused: no service is called www.x")):
        daemon, box, out = outbox()
        daemon.fault = fault
        passes(box, 10, 20)
        daemon.fault = None
        passes(box, 30)
        assert [b["ok"] for b in daemon.got] == [10], daemon.got
        assert len(out.getvalue().splitlines()) == 2, out.getvalue()


def mapping(**kw):
    return feed.Mapping(argparse.Namespace(**dict({"region": "eu", "map": [], "whole": [], "load": []}, **kw)))


def test_several_may_be_added_up_and_one_may_count_twice():
    m = mapping(map=["a=www.x", "b=www.x", "a/s1=www.x@203.0.113.1"], whole=["a"], load=["limit=a", "limit=b"])
    counts = {"a": feed.Counts(10, 1, 5, 9), "b": feed.Counts(20, 2), "a/s1": feed.Counts(3, 0), "c": feed.Counts(9, 9)}
    reading = feed.Reading(10, counts, {"limit": {"a": (10, 100), "b": (40, 100)}})
    got = {str(t): (c.ok, c.errors, c.p50) for t, c in m.totals(reading)}
    assert got == {"eu/www.x": (30, 3, None), "eu/www.x/203.0.113.1": (3, 0, None), "eu": (10, 1, 5)}, got
    assert m.load_now(reading, feed.Voice(io.StringIO())) == ("utilisation", 0.25)


def test_wrong_options_are_refused_with_one_sentence():
    good = ["--region", "eu", "--haproxy", "/s", "--map", "www=www.x"]
    for words, argv in (
            ("--region is missing", good[2:]), ("nothing to report", good[:4]),
            ("give --haproxy, or", good[:2] + good[4:]), ("give --haproxy, or", good + ["--nginx-log", "/l"]),
            ("is not FROM=SERVICE", good + ["--map", "www"]), ("is not FROM=SERVICE", good + ["--map", "www=x@"]),
            ("is not one of requests", good + ["--load", "rate=www"]), ("say of which proxy", good + ["--load", "limit"]),
            ("is not like http://", good + ["--to", "192.0.2.1:9053"]), ("no token", good + ["--to", "http://192.0.2.1"]),
            ("is not a duration", good + ["--interval", "10"]), ("no such file", good + ["--to", "http://x", "--token-file", "/no"]),
            ("which is not given", ["--region", "eu", "--nginx-log", "/l", "--map", "connections=www.x"]),
            ("nginx knows requests", ["--region", "eu", "--nginx-status", "http://x/", "--load", "limit"])):
        done = subprocess.run([PROGRAM] + argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20,
                              env=dict(os.environ, MERIDIAN_TOKEN="f" * 64 if "is not like" in words else ""))
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, (argv, done.stderr)


def main():
    failed = 0
    for name, function in list(globals().items()):
        if name.startswith("test_"):
            try:
                function()
                print("ok     " + name[5:].replace("_", " "))
            except Exception:
                failed += 1
                print("FAILED " + name[5:].replace("_", " "))
                traceback.print_exc(file=sys.stdout)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
