"""The database goes away, fills up, is locked, damaged, exchanged: answers go on, nothing acknowledged is lost."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time

import common
from common import EU, NAME, US, lab


# ------------------------------------------------------------------------------------------ at the start

def refused(t, args=(), **kw):
    """A daemon that must not start; its sentence."""
    d = t.daemon(name="refused", args=args, wait=False, **kw)
    status = d.popen.wait(30)
    assert status == 1, "exit %d: %s" % (status, d.log())
    text = common.sentence(d.log())
    assert text.startswith("meridiand: "), text
    return text


def test_a_missing_database_is_refused_with_what_helps(t):
    text = refused(t)
    assert t.db in text and "meridian init" in text, text


def test_an_empty_file_is_refused(t):
    t.write("meridian.db", "")
    assert "empty" in refused(t)


def test_garbage_is_refused(t):
    with open(t.db, "wb") as f:
        f.write(os.urandom(20000))
    assert "not a database" in refused(t)


def test_a_truncated_database_is_refused(t):
    common.world(t, daemon=False)
    size = os.path.getsize(t.db)
    with open(t.db, "r+b") as f:
        f.truncate(size // 2)
    assert t.db in refused(t)


def test_a_database_with_a_damaged_page_is_refused(t):
    common.world(t, daemon=False)
    for page in range(2, os.path.getsize(t.db) // 4096):
        with open(t.db, "r+b") as f:
            f.seek((page - 1) * 4096)
            f.write(b"\xa5" * 4096)
    assert "damaged" in refused(t)


def test_a_newer_version_is_refused(t):
    t.meridian("init")
    with sqlite3.connect(t.db) as c:
        c.execute("PRAGMA user_version = 9999")
    assert "newer version" in refused(t)


def test_a_database_of_another_program_is_refused(t):
    with sqlite3.connect(t.db) as c:
        c.execute("CREATE TABLE x(y)")
    assert "another program" in refused(t)


def test_a_folder_is_refused(t):
    os.mkdir(t.db)
    assert "folder" in refused(t)


def test_a_database_that_is_locked_for_longer_than_the_patience_is_refused(t):
    t.meridian("init")
    pragma = "c.execute('PRAGMA locking_mode=EXCLUSIVE')"
    locker = common.Locker(t.db, 9, "EXCLUSIVE", pragma)
    assert "locked" in refused(t)
    locker.wait()


def test_a_database_that_cannot_be_read_is_refused_to_an_ordinary_user(t):
    if os.geteuid() != 0:
        return
    t.meridian("init")
    os.chmod(t.folder, 0o777)
    os.chmod(t.db, 0o600)
    done = subprocess.run(["setpriv", "--reuid", "nobody", "--clear-groups", t.meridiand, "--db", t.db],
                          env=t.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    assert done.returncode == 1, done.stdout
    assert "ermission" in common.sentence(done.stdout)


def test_a_read_only_database_is_refused_or_served_but_says_so(t):
    disk = common.small_disk(t)
    if not disk:
        print("    no file system of one's own here")
        return
    t.db = os.path.join(disk, "meridian.db")
    common.world(t, daemon=False)
    common.remount(disk, True)
    try:
        text = refused(t)
        assert "read-only" in text.lower() or "Read-only" in text or "cannot be written" in text, text
    finally:
        common.unmount(disk)


# ---------------------------------------------------------------------------------------- while it serves

def test_a_deleted_database_is_noticed_and_one_put_back_is_taken(t):
    d = common.world(t)
    asker = common.Asker()
    common.edit(d, 1)
    good = common.copy_of(t)
    os.unlink(t.db)
    text = common.wait_degraded(d)
    assert t.db in text, text
    for n in (2, 3):
        got = common.edit(d, n, ok=False)
        assert got.returncode == 1, got
        common.sentence(got.stderr)
    got = d.meridian("drain eu", ok=False)
    common.sentence(got.stderr)
    assert lab.rdata(d.ask(NAME)) == [EU], "a refused drain is not in force"
    time.sleep(2)
    assert len(common.lines_of(d, "does not exist")) == 1, d.log()
    os.rename(good, t.db)
    common.wait_well(d)
    assert len(common.lines_of(d, "works again")) == 1, d.log()
    common.edit(d, 4)
    assert common.capacity(t) == 1004
    asker.check(100)
    d.stop()
    d = t.daemon()
    assert common.capacity(t) == 1004 and d.status()["degraded"] is None


def test_an_older_database_never_replaces_what_serves(t):
    d = common.world(t)
    old = common.copy_of(t, "old.db")
    common.edit(d, 1)
    d.meridian("endpoint set %s eu %s --weight 7" % (NAME, EU))
    revision = d.status()["revision"]
    new = common.copy_of(t, "new.db")
    asker = common.Asker()
    os.rename(old, t.db)
    text = common.wait_degraded(d)
    assert "older" in text, text
    got = common.edit(d, 5, ok=False)
    common.sentence(got.stderr)
    assert common.capacity(t) != 1005, "stored into a database that does not serve"
    got = d.meridian("drain eu", ok=False)
    common.sentence(got.stderr)
    os.kill(d.pid, signal.SIGHUP)
    time.sleep(1)
    assert d.status()["revision"] == revision
    assert common.degraded(d), "a reload does not mend it"
    os.rename(new, t.db)
    common.wait_well(d)
    common.edit(d, 6)
    assert d.status()["revision"] == revision + 1
    assert common.capacity(t) == 1006
    asker.check(50)


def test_a_newer_database_put_in_place_is_served(t):
    d = common.world(t)
    new = common.copy_of(t, "new.db")
    t.meridian("endpoint set %s eu %s --priority 9" % (NAME, EU), db=new)
    asker = common.Asker()
    os.rename(new, t.db)
    lab.wait_for("the newer one serves", lambda: lab.rdata(d.ask(NAME)) == [US], 5)
    common.edit(d, 1)
    assert common.capacity(t) == 1001
    assert lab.rdata(d.ask(NAME)) == [US]
    asker.check(10)


def test_another_database_of_the_same_revision_is_served_as_it_is(t):
    d = common.world(t)
    other = common.copy_of(t, "other.db")
    t.meridian("endpoint set %s eu %s --priority 9" % (NAME, EU), db=other)
    common.edit(d, 1)
    os.rename(other, t.db)
    lab.wait_for("the other one serves", lambda: lab.rdata(d.ask(NAME)) == [US], 5)
    common.edit(d, 2)
    assert lab.rdata(d.ask(NAME)) == [US] and common.capacity(t) == 1002


def test_an_edit_is_never_acknowledged_into_a_file_that_lost_its_name(t):
    d = common.world(t)
    good = common.copy_of(t)
    for n in range(20):
        shutil.copyfile(good, t.db + ".next")
        os.unlink(t.db)
        got = common.edit(d, n, ok=None)
        assert got.returncode != 0, "stored nowhere: %s" % got.stdout
        os.rename(t.db + ".next", t.db)
        common.wait_well(d)
    common.edit(d, 99)
    assert common.capacity(t) == 1099


def test_a_full_disk_refuses_edits_and_space_mends_it(t):
    disk = common.small_disk(t)
    if not disk:
        print("    no file system of one's own here")
        return
    t.db = os.path.join(disk, "meridian.db")
    try:
        d = common.world(t)
        asker = common.Asker()
        common.edit(d, 0)
        filler = common.fill(disk)
        stored, refused_n = 0, 0
        for n in range(40):
            got = common.edit(d, n, ok=None)
            if got.returncode == 0:
                stored = n
                continue
            refused_n += 1
            assert "full" in common.sentence(got.stderr), got.stderr
            if refused_n == 3:
                break
        assert refused_n == 3, "a full disk took every edit"
        assert "full" in common.wait_degraded(d)
        time.sleep(2)
        assert len(common.lines_of(d, "is full")) <= 3, d.log()
        assert common.capacity(t) == 1000 + stored
        os.unlink(filler)
        common.wait_well(d)
        common.edit(d, 77)
        assert common.capacity(t) == 1077
        asker.check(20)
        d.stop()
        d = t.daemon()
        assert common.capacity(t) == 1077
        d.stop()
    finally:
        common.unmount(disk)


def test_a_file_system_gone_read_only_refuses_edits_and_recovers(t):
    disk = common.small_disk(t)
    if not disk:
        print("    no file system of one's own here")
        return
    t.db = os.path.join(disk, "meridian.db")
    try:
        d = common.world(t)
        t.meridian("region set eu --capacity 5")
        # Writers keep it from being remounted: what stands for it is a database of mode 0444 in a folder
        # that nobody may write, for a daemon that is not root.
        asker = common.Asker()
        try:
            common.remount(disk, True)
        except AssertionError:
            print("    busy: not remounted")
            return
        got = common.edit(d, 1, ok=False)
        common.sentence(got.stderr)
        common.wait_degraded(d)
        common.remount(disk, False)
        common.wait_well(d)
        common.edit(d, 2)
        asker.check(20)
        d.stop()
    finally:
        common.unmount(disk)


def test_a_lock_of_ten_seconds_refuses_edits_and_passes(t):
    d = common.world(t)
    asker = common.Asker()
    locker = common.Locker(t.db, 10)
    got = common.edit(d, 1, ok=False)
    assert "locked" in common.sentence(got.stderr)
    assert "locked" in common.wait_degraded(d)
    locker.wait()
    common.wait_well(d)
    common.edit(d, 2)
    assert common.capacity(t) == 1002
    assert len(common.lines_of(d, "is locked")) <= 2, d.log()
    asker.check(500)


def test_damaged_pages_never_stop_answers(t):
    d = common.world(t)
    good = common.copy_of(t)
    asker = common.Asker()
    with sqlite3.connect(t.db) as c:
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(t.db, "r+b") as f:
        size = os.path.getsize(t.db)
        f.write(os.urandom(size))
    got = common.edit(d, 1, ok=False)
    common.sentence(got.stderr)
    common.wait_degraded(d)
    time.sleep(2)
    assert len(common.lines_of(d, "serving goes on")) <= 2, d.log()
    os.rename(good, t.db)
    common.wait_well(d)
    common.edit(d, 2)
    assert common.capacity(t) == 1002
    asker.check(100)


# ------------------------------------------------------------------------------------------- the history

def history_fault(t, harm):
    """Edits, drains and answers go on whatever is done to the history."""
    d = common.world(t)
    asker = common.Asker()
    time.sleep(0.3)
    harm(t.db + "-history")
    for n in range(5):
        common.edit(d, n)
        time.sleep(0.2)
    d.meridian("drain eu")
    assert lab.rdata(d.ask(NAME)) == [US]
    d.meridian("undrain eu")
    assert common.capacity(t) == 1004
    assert len(common.lines_of(d, "history")) <= 4, d.log()
    common.edit(d, 9)
    last = "revision %d serves" % d.status()["revision"]
    lab.wait_for("the history goes on", lambda: last in d.meridian("log", ok=None).stdout, 10)
    asker.check(50)
    d.stop()


def test_a_deleted_history_begins_anew(t):
    history_fault(t, os.unlink)


def test_a_history_of_garbage_begins_anew(t):
    def harm(path):
        with open(path, "r+b") as f:
            f.write(os.urandom(os.path.getsize(path)))
    history_fault(t, harm)


def test_a_truncated_history_begins_anew(t):
    history_fault(t, lambda path: os.truncate(path, 0))


def test_a_folder_in_place_of_the_history_harms_nothing(t):
    common.world(t, daemon=False)
    for tail in ("", "-wal", "-shm"):
        if os.path.exists(t.db + "-history" + tail):
            os.unlink(t.db + "-history" + tail)
    os.mkdir(t.db + "-history")
    d = t.daemon()
    asker = common.Asker()
    for n in range(5):
        common.edit(d, n)
        time.sleep(0.3)
    d.meridian("drain eu")
    assert lab.rdata(d.ask(NAME)) == [US]
    assert len(common.lines_of(d, "-history")) <= 4, d.log()
    os.rmdir(t.db + "-history")
    lab.wait_for("the history is written", lambda: common.edit(d, int(time.time()) % 1000) and
                 "serves" in d.meridian("log", ok=None).stdout, 20, 0.5)
    asker.check(50)


if __name__ == "__main__":
    lab.run(globals())
