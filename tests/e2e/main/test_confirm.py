"""--confirm-within: an edit is taken back unless somebody confirms it, whatever becomes of the daemon."""

import signal
import sqlite3
import time

import common
from common import lab


def regions(t):
    return [r["name"] for r in t.json("region", "list")]


def history(t):
    return [(r["revision"], r["verb"], r["author"]) for r in t.json("history")]


def test_what_nobody_confirms_is_taken_back(t):
    common.base_world(t)
    d = t.daemon()
    done = t.json("region", "add", "eu", "--confirm-within", "1s")
    assert done["confirm_until"] and done["revision"] == 2, done
    lab.wait_for("the edit to be taken back", lambda: regions(t) == [])
    assert history(t)[0] == (3, "rollback 1", "meridiand"), history(t)
    d.wait_for_log(r"revision 3 serves: rollback 1 by meridiand: revision 2 was not confirmed")
    assert d.status()["confirm"] is None and d.status()["revision"] == 3
    d.meridian("region add eu")


def test_what_is_confirmed_stays(t):
    common.base_world(t)
    d = t.daemon()
    said = d.meridian("region add eu --confirm-within 2s").stdout
    assert "revision 2 is serving\n" in said and "meridian confirm" in said, said
    assert "revision 2 is taken back" in d.meridian("status").stdout
    assert d.status()["confirm"]["back_to"] == 1
    assert d.meridian("confirm").stdout == "revision 2 is confirmed\n"
    assert d.meridian("confirm", ok=None).returncode == 3
    # The next one's time passes after the first one's would have.
    d.meridian("region add us --confirm-within 3s")
    lab.wait_for("the second to be taken back", lambda: regions(t) == ["eu"])


def test_while_one_waits_there_is_no_other_edit_but_a_rollback(t):
    common.base_world(t)
    d = t.daemon()
    d.meridian("region add eu --confirm-within 1h --dry-run")
    d.meridian("region add eu --confirm-within 1h")
    for words in ("region add us", "region add us --confirm-within 1h", "set workers 2"):
        refused = d.meridian(words, ok=None)
        assert refused.returncode == 5 and "meridian confirm" in refused.stderr, refused
    d.meridian("region add us --dry-run")
    d.meridian("drain eu")  # a person's word is no edit
    d.meridian("rollback 1")
    assert d.meridian("confirm", ok=None).returncode == 3
    d.meridian("region add us")
    assert regions(t) == ["us"]


def test_what_waits_outlives_the_daemon(t):
    common.base_world(t)
    d = t.daemon()
    d.meridian("region add eu --confirm-within 2s")
    d.stop(signal.SIGKILL)
    refused = t.meridian("region add us", ok=None)
    assert refused.returncode == 5, refused
    t.daemon()
    lab.wait_for("the edit to be taken back after the start", lambda: regions(t) == [])


def test_an_edit_with_which_no_daemon_starts_is_taken_back_by_the_next(t):
    common.base_world(t)
    d = t.daemon()
    d.meridian("set control /nonexistent/x.sock --confirm-within 2s")
    d.stop()
    time.sleep(2.5)
    d = t.daemon()
    assert history(t)[0] == (3, "rollback 1", "meridiand"), history(t)
    assert d.status()["revision"] == 3 and d.status()["confirm"] is None


def test_what_another_process_left_waiting_is_obeyed(t):
    common.base_world(t)
    d = t.daemon()
    d.meridian("region add eu")
    with sqlite3.connect(t.db) as c:
        c.execute("INSERT INTO waiting VALUES(1, 2, 1, ?)", (int(time.time() * 1000) + 1500,))
    lab.wait_for("the daemon to know of it", lambda: (d.status()["confirm"] or {}).get("revision") == 2)
    lab.wait_for("the edit to be taken back", lambda: regions(t) == [])
    d.meridian("region add us")


def test_what_does_not_go_with_it_is_refused(t):
    common.base_world(t)
    d = t.daemon()
    d.meridian("region add eu")
    assert d.meridian("region set eu --state drain --confirm-within 5s", ok=None).returncode == 2
    d.meridian("region add us --confirm-within 1h")
    assert d.meridian("rollback 1 --confirm-within 1h", ok=None).returncode == 5
    said = d.meridian("rollback 3").stdout  # to what serves: nothing changes, and nothing waits any more
    assert "nothing to change" in said and d.status()["confirm"] is None, said
    assert d.meridian("confirm", ok=None).returncode == 3
    assert sorted(regions(t)) == ["eu", "us"]


def test_it_can_be_confirmed_without_a_daemon_and_not_be_begun(t):
    common.base_world(t)
    refused = t.meridian("region add eu --confirm-within 5m", ok=None)
    assert refused.returncode == 4 and regions(t) == [], refused
    assert t.meridian("confirm", ok=None).returncode == 3
    d = t.daemon()
    d.meridian("region add eu --confirm-within 1h")
    d.stop()
    assert t.meridian("confirm").stdout == "revision 2 is confirmed\n"
    t.meridian("region add us")
    for within in ("0", "-1s", "soon", "400d"):
        refused = t.meridian("region", "add", "x", "--confirm-within", within, ok=None)
        assert refused.returncode == 1 and within in refused.stderr, refused


if __name__ == "__main__":
    lab.run(globals())
