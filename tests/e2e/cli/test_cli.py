"""The command line's contract against a database without a daemon: the journey of a first day, and what
must be refused. Usage: test_cli.py path/to/meridian [test names]"""
import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

MERIDIAN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "meridian"
TIMEOUT_S = 60


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="meridian-cli-", dir=lab.scratch())
        self.db = os.path.join(self.folder.name, "m.db")
        self.addCleanup(self.folder.cleanup)

    def run_any(self, *args, stdin=None, env=None, db=True):
        environment = dict(os.environ, SUDO_USER="ana", **(env or {}))
        environment.pop("MERIDIAN_DB", None)
        if db:
            environment["MERIDIAN_DB"] = self.db
        return Result(subprocess.run([MERIDIAN, *args], input=stdin, capture_output=True, text=True,
                                     timeout=TIMEOUT_S, env=environment, cwd=self.folder.name))

    def run_ok(self, *args, **kw):
        r = self.run_any(*args, **kw)
        self.assertEqual(r.code, 0, f"{args}: {r.err}")
        return r.out

    def run_fail(self, code, says, *args, **kw):
        r = self.run_any(*args, **kw)
        self.assertEqual(r.code, code, f"{args}: {r.out}{r.err}")
        self.assertEqual(r.out, "" if code else r.out)
        self.assertTrue(r.err.startswith("meridian: "), r.err)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, r.err)
        return r.err

    def run_json(self, *args, **kw):
        return json.loads(self.run_ok(*args, "--json", **kw))

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def revision(self):
        return self.run_json("check")["revision"]

    def stored(self, out, revision):
        self.assertEqual(out.splitlines()[-1],
                         f"revision {revision} is stored; no daemon runs on this database")

    def first_day(self):
        """The sample session, each command as it is in the manual."""
        steps = [
            "zone add gslb.example.com --ns ns1.gslb.example.com=192.0.2.53 --ns ns2.gslb.example.com=198.51.100.53",
            "region add us-east --at 39.04,-77.49",
            "region add eu-west --at 53.34,-6.26 --capacity 40000",
            "probe add web --type http --port 80 --path /healthz --interval 5s --timeout 2s --fall 3 --rise 2",
            "service add www.gslb.example.com --policy latency --ttl 30 --probe web",
            "endpoint add www.gslb.example.com us-east 203.0.113.10 --weight 100",
            "endpoint add www.gslb.example.com eu-west 203.0.113.20 --weight 100",
        ]
        self.run_ok("init")
        start = self.revision()
        for n, step in enumerate(steps, start + 1):
            self.stored(self.run_ok(*step.split()), n)
        return start + len(steps)


class Journey(Case):
    def test_the_sample_session(self):
        head = self.first_day()
        self.assertEqual(self.run_ok("zone", "delegation", "gslb.example.com"),
                         "gslb.example.com. 3600 IN NS ns1.gslb.example.com.\n"
                         "gslb.example.com. 3600 IN NS ns2.gslb.example.com.\n"
                         "ns1.gslb.example.com. 3600 IN A 192.0.2.53\n"
                         "ns2.gslb.example.com. 3600 IN A 198.51.100.53\n")
        self.assertIn(f"revision {head} is good", self.run_ok("check"))
        # Glue of a sister zone's name server is asked for in both forms.
        self.run_ok("zone", "add", "other.example.com", "--ns", "ns1.gslb.example.com=192.0.2.53")
        self.assertIn("ns1.gslb.example.com. 3600 IN A 192.0.2.53\n", self.run_ok("zone", "delegation", "other.example.com"))
        self.assertEqual([r["type"] for r in self.run_json("zone", "delegation", "other.example.com")], ["NS", "A"])
        self.assertEqual(self.run_ok("region", "list").splitlines(),
                         ["REGION\tAT\tCAPACITY\tBIAS KM", "us-east\t39.04,-77.49\t-\t0",
                          "eu-west\t53.34,-6.26\t40000\t0"])
        self.assertIn("203.0.113.20", self.run_ok("service", "show", "www.gslb.example.com"))
        self.assertIn("(setting: 60s)", self.run_ok("service", "show", "www.gslb.example.com"))
        endpoints = self.run_json("endpoint", "list", "www.gslb.example.com")
        self.assertEqual([(e["region"], e["address"], e["weight"]) for e in endpoints],
                         [("us-east", "203.0.113.10", 100), ("eu-west", "203.0.113.20", 100)])
        self.assertEqual(self.run_json("region", "show", "eu-west")["capacity"], 40000)

    def test_init_prints_the_path_and_refuses_a_second_time(self):
        self.assertEqual(self.run_ok("init"), os.path.realpath(self.db) + "\n")
        before = open(self.db, "rb").read()
        self.run_fail(1, self.db, "init")
        self.assertNotIn("-new-", self.run_fail(1, "nowhere", "init", "--db", self.folder.name + "/nowhere/m.db"))
        self.assertEqual(open(self.db, "rb").read(), before)

    def test_without_a_database_the_sentence_says_how_to_make_one(self):
        self.run_fail(3, ["no database", "meridian init"], "region", "list")
        self.run_fail(3, "meridian init", "region", "add", "eu")
        self.assertFalse(os.path.exists(self.db))

    def test_every_noun_has_the_five_verbs(self):
        self.first_day()
        self.run_ok("map", "add", "world")
        self.run_ok("map", "rule", "add", "world", "default", "us-east,eu-west")
        self.run_ok("map", "set", "world", "default", "eu-west,us-east")
        self.assertEqual(self.run_ok("map", "rule", "list", "world").splitlines()[1],
                         "world\tdefault\teu-west,us-east")
        for noun, name in (("zone", "gslb.example.com"), ("region", "eu-west"), ("probe", "web"),
                           ("service", "www.gslb.example.com"), ("map", "world")):
            self.assertIn(name, self.run_ok(noun, "show", name))
            self.assertIn(name, self.run_ok(noun, "list"))
            self.assertIn(name, json.dumps(self.run_json(noun, "list")))
            self.run_fail(3, "nothing-here", noun, "show", "nothing-here")
        self.run_ok("region", "set", "eu-west", "--bias", "50")
        self.run_ok("probe", "set", "web", "--no-follow", "--interval=10s")
        self.run_ok("zone", "set", "gslb.example.com", "--ttl", "600")
        self.run_ok("service", "set", "www.gslb.example.com", "--policy", "fence | geo", "--map", "world")
        self.run_ok("endpoint", "set", "www.gslb.example.com", "us-east", "203.0.113.10", "--weight", "7")
        self.assertIn("eu-west", self.run_ok("map", "rule", "show", "world", "default"))
        self.assertEqual(self.run_json("endpoint", "show", "www.gslb.example.com", "us-east", "203.0.113.10")["weight"], 7)
        self.run_ok("service", "remove", "www.gslb.example.com")
        self.run_ok("map", "rule", "remove", "world", "default")
        for noun, name in (("map", "world"), ("probe", "web"), ("region", "eu-west"), ("zone", "gslb.example.com")):
            self.run_ok(noun, "remove", name)
        self.assertEqual(self.run_ok("zone", "list").splitlines()[1:], [])

    def test_settings_are_set_shown_and_unset(self):
        self.run_ok("init")
        self.run_ok("set", "workers", "3")
        self.assertEqual(self.run_ok("show", "workers"), "3\n")
        self.assertEqual(self.run_json("show")["workers"], {"default": "0", "value": "3"})
        self.run_ok("unset", "workers")
        self.assertEqual(self.run_ok("show", "workers"), "0\n")
        self.run_fail(1, "degrade", "set", "degrade", "often")
        self.run_fail(3, 'did you mean \\"workers\\"'.replace("\\", ""), "show", "wrokers")
        self.run_ok("set", "control", "c.sock")
        self.assertEqual(self.run_ok("show", "control"), os.path.join(os.path.realpath(self.folder.name), "c.sock") + "\n")

    def test_a_zone_file_is_kept_with_its_whole_path(self):
        self.run_ok("init")
        path = self.write("g.zone", "$ORIGIN g.example.\n$TTL 60\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n")
        self.run_ok("zone", "add", "g.example", "--file", "g.zone")
        self.assertEqual(os.path.realpath(self.run_json("zone", "show", "g.example")["file"]),
                         os.path.realpath(path))
        self.write("bad.zone", "this is not a zone file\n")
        self.run_fail(1, "bad.zone", "zone", "set", "g.example", "--file", "bad.zone")
        self.assertIn("g.zone", self.run_ok("zone", "show", "g.example"))
        self.write("g.zone", "nor is this\n")
        r = self.run_any("check")
        self.assertEqual(r.code, 1)
        self.assertIn("g.zone", r.out)

    def test_paths_in_a_document_are_meant_from_its_folder(self):
        self.run_ok("init")
        os.mkdir(os.path.join(self.folder.name, "repo"))
        self.write("repo/z.zone", "$TTL 60\nstatic A 192.0.2.1\n")
        doc = {"zones": [{"name": "gslb.example", "file": "z.zone", "ns": [{"name": "ns.example.net"}]}],
               "probes": [{"name": "p", "type": "exec", "command": "./check"}]}
        path = self.write("repo/doc.json", json.dumps(doc))
        self.run_ok("apply", "repo/doc.json", "--dry-run")
        self.run_ok("apply", "repo/doc.json")
        whole = os.path.join(self.folder.name, "repo")
        self.assertEqual(self.run_json("zone", "show", "gslb.example")["file"], whole + "/z.zone")
        self.assertEqual(self.run_json("probe", "show", "p")["command"], whole + "/check")
        self.assertIn("nothing to change", self.run_ok("apply", path))
        doc["zones"][0]["file"] = "repo/z.zone"
        doc["probes"][0]["command"] = whole + "/check"
        self.assertIn("nothing to change", self.run_ok("apply", "-", stdin=json.dumps(doc)))
        odd = os.path.join(self.folder.name, "p,q")
        os.mkdir(odd)
        self.write("p,q/doc.json", json.dumps({"settings": {"geo": "a.mmdb"}}))
        self.run_fail(1, "comma", "apply", odd + "/doc.json")
        self.write("p,q/doc.json", json.dumps({"settings": {"control": "x,y.sock"}}))
        self.run_ok("apply", odd + "/doc.json")
        self.assertEqual(json.loads(self.run_ok("export", "--local"))["settings"]["control"], odd + "/x,y.sock")
        doc["settings"] = {"geo": "a.mmdb, /b.mmdb"}
        self.run_fail(1, os.path.join(self.folder.name, "a.mmdb"), "apply", "-", stdin=json.dumps(doc))

    def test_an_empty_value_gives_the_default_back(self):
        self.first_day()
        self.run_ok("service", "set", "www.gslb.example.com", "--ramp", "10s", "--failback", "after", "10m")
        self.assertEqual(self.run_json("service", "show", "www.gslb.example.com")["ramp"], "10s")
        self.run_ok("service", "set", "www.gslb.example.com", "--ramp=", "--failback", "", "--probe=")
        s = self.run_json("service", "show", "www.gslb.example.com")
        self.assertIsNone(s["ramp"])
        self.assertIsNone(s["probe"])
        self.run_ok("probe", "add", "x", "--type", "exec", "--command", "/bin/true", "--arg", "a", "--arg", "b")
        self.run_ok("probe", "set", "x", "--arg=")
        self.assertEqual(self.run_json("probe", "show", "x")["args"], [])


class Refused(Case):
    def test_words_and_flags_are_suggested(self):
        self.run_ok("init")
        self.run_fail(2, 'did you mean "region"?', "regoin", "list")
        self.run_fail(2, 'did you mean "add"?', "region", "ad", "eu")
        self.run_fail(2, 'did you mean "--capacity"?', "region", "add", "eu", "--capacty", "5")
        self.run_fail(2, "needs NAME", "region", "add")
        self.run_fail(2, "one word too many", "region", "list", "x")
        self.run_fail(2, "needs a flag", "region", "set", "eu")
        self.run_fail(1, ["--kind", "bogus", "availability"], "log", "--kind", "bogus")
        self.run_ok("region", "add", "a")
        self.assertNotIn("did you mean", self.run_fail(3, '"c"', "region", "show", "c"))
        self.assertEqual(self.run_any().code, 2)

    def test_values_are_refused_with_what_would_be_accepted(self):
        self.first_day()
        head = self.revision()
        for says, args in (
                (["latitude"], ["region", "set", "eu-west", "--at", "91,0"]),
                (["0 to 1000000"], ["endpoint", "set", "www.gslb.example.com", "eu-west", "203.0.113.20", "--weight", "many"]),
                (["latensy", "latency"], ["service", "set", "www.gslb.example.com", "--policy", "latensy"]),
                (["ttl"], ["service", "set", "www.gslb.example.com", "--ttl", "-1"]),
                (["eu-west"], ["region", "add", "eu-west"])):
            self.run_fail(1, says, *args)
        self.assertEqual(self.revision(), head)

    def test_what_is_referenced_stays_and_the_referrer_is_named(self):
        self.first_day()
        self.run_fail(1, "www.gslb.example.com", "region", "remove", "eu-west")
        self.run_fail(1, "www.gslb.example.com", "probe", "remove", "web")
        self.run_fail(1, "www.gslb.example.com", "zone", "remove", "gslb.example.com")
        self.run_fail(3, "nowhere", "region", "remove", "nowhere")
        self.run_fail(3, "www.nowhere.example", "service", "set", "www.nowhere.example", "--probe", "web")

    def test_commands_that_need_the_daemon_say_so(self):
        self.first_day()
        for args in (["status"], ["explain", "www.gslb.example.com"], ["reload"], ["log", "--follow"],
                     ["probe", "run", "web", "203.0.113.10"]):
            self.run_fail(4, "daemon", *args)

    def test_a_daemon_that_does_not_answer_stores_nothing(self):
        self.first_day()
        head = self.revision()
        sock = os.path.join(self.folder.name, "gone.sock")
        with open(self.db + ".lock", "w") as lock:
            lock.write(json.dumps({"pid": os.getpid(), "control": sock}))
            lock.flush()
            flock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(lock, 37, flock)  # F_OFD_SETLK
            self.run_fail(4, "does not answer", "region", "add", "ap")
            self.run_fail(4, "does not answer", "drain", "eu-west")
            self.run_fail(4, "does not answer", "status")
            self.assertIn("eu-west", self.run_ok("region", "list"))  # reading needs no daemon
            self.assertEqual(self.revision(), head)
        self.run_ok("region", "add", "ap")

    def test_text_that_is_not_utf8_is_refused(self):
        self.run_ok("init")
        done = subprocess.run([MERIDIAN.encode(), b"region", b"add", b"\xff\xfe", b"--db", self.db.encode()],
                              capture_output=True, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 2)


class Revisions(Case):
    def test_history_says_who_what_and_why(self):
        head = self.first_day()
        self.run_ok("region", "add", "ap", "--message", "third site", "--author", "bo")
        rows = self.run_json("history", "--limit", "2")
        self.assertEqual([(r["revision"], r["author"], r["verb"], r["message"]) for r in rows],
                         [(head + 1, "bo", "region add ap", "third site"),
                          (head, "ana", "endpoint add www.gslb.example.com eu-west 203.0.113.20", "")])
        self.assertEqual(self.run_ok("history").splitlines()[0],
                         "REVISION\tTIME\tAUTHOR\tCHANGES\tWHAT\tMESSAGE")

    def test_diff_and_rollback(self):
        head = self.first_day()
        document = self.run_ok("export")
        self.run_ok("service", "set", "www.gslb.example.com", "--ttl", "60")
        self.assertIn("30", self.run_ok("diff"))
        self.assertIn("60", self.run_ok("diff"))
        self.assertIn("www.gslb.example.com", self.run_ok("diff"))
        change = self.run_json("diff", str(head), str(head + 1))[0]
        self.assertEqual((change["noun"], change["name"], change["after"]["ttl"]),
                         ("service", "www.gslb.example.com", 60))
        back = self.run_json("diff", str(head + 1), str(head))[0]
        self.assertEqual(back["before"]["ttl"], 60)
        self.run_fail(3, "newest", "diff", "1", "99")
        self.stored(self.run_ok("rollback", str(head)), head + 2)
        self.assertEqual(self.run_json("service", "show", "www.gslb.example.com")["ttl"], 30)
        same = lambda text: re.sub(r'"revision": *\d+', "", text)
        self.assertEqual(same(self.run_ok("export")), same(document))
        self.run_fail(3, "99", "rollback", "99")
        self.assertEqual(self.run_ok("diff", str(head), str(head + 2)), "")

    def test_an_export_applied_elsewhere_exports_the_same_bytes(self):
        self.first_day()
        self.run_ok("map", "add", "world")
        self.run_ok("map", "rule", "add", "world", "net:10.0.0.0/8", "eu-west")
        self.run_ok("map", "rule", "add", "world", "default", "us-east,eu-west")
        self.run_ok("latency", "import", self.write("l.csv", "where,region,ms\ncountry:DE,eu-west,12.5\n"))
        self.run_ok("set", "ramp", "90s")
        first = self.run_ok("export", "--local")
        self.assertIn("nothing to change", self.run_ok("apply", "-", stdin=first))
        self.assertEqual(self.run_ok("export", "--local"), first)
        self.db = os.path.join(self.folder.name, "second.db")
        self.run_ok("init")
        self.run_ok("apply", self.write("config.json", first))
        second = self.run_ok("export", "--local")
        strip = lambda text: re.sub(r'"revision": *\d+', '"revision": 0', text)
        self.assertEqual(strip(second), strip(first))
        json.loads(second)

    def test_an_old_document_conflicts_with_a_newer_revision(self):
        head = self.first_day()
        document = self.write("old.json", self.run_ok("export"))
        self.run_ok("region", "add", "ap")
        self.run_fail(5, [str(head), str(head + 1), "--force"], "apply", document)
        self.assertEqual(self.revision(), head + 1)
        self.stored(self.run_ok("apply", document, "--force"), head + 2)
        self.run_fail(3, "ap", "region", "show", "ap")

    def test_a_name_that_no_token_can_have_is_named_alone(self):
        head = self.first_day()
        for name in ("a b", "", "a:b", "a@eu-west"):
            said = self.run_fail(1, "is no name for a token", "token", "add", name)
            self.assertLess(len(said), 120)
        self.assertEqual(self.revision(), head)

    def test_apply_says_where_a_document_is_wrong_and_keeps_nothing_of_it(self):
        head = self.first_day()
        for says, text in (("1", "{"), ("regions", '{"regions":[{"name":"a b"}]}'),
                           ("colour", '{"regions":[{"name":"ap","colour":"red"}]}'),
                           ("nope", '{"services":[{"name":"x.gslb.example.com","probe":"nope"}]}'),
                           ("colour", '{"settings":{"colour":"red"}}')):
            self.run_fail(1, says, "apply", "-", stdin=text)
        self.run_fail(1, "no-such-file", "apply", "no-such-file")
        self.assertEqual(self.revision(), head)

    def test_a_dry_run_shows_everything_and_stores_nothing(self):
        head = self.first_day()
        before = self.run_ok("export")
        out = self.run_ok("service", "remove", "www.gslb.example.com", "--dry-run")
        self.assertEqual([line[0] for line in out.splitlines()], ["-", "-", "-", "d"])
        out = self.run_ok("region", "set", "eu-west", "--capacity", "1", "--dry-run")
        self.assertIn("eu-west", out)
        self.assertIn("nothing was stored", out)
        r = self.run_json("region", "add", "ap", "--dry-run")
        self.assertEqual((r["changed"], r["dry_run"], r["revision"], r["serving"]), (True, True, head, False))
        self.assertEqual(len(r["changes"]), 1)
        self.run_ok("apply", "-", "--dry-run", stdin='{"latency":[]}')
        self.run_ok("rollback", "2", "--dry-run")
        self.run_fail(1, "www.gslb.example.com", "region", "remove", "eu-west", "--dry-run")
        self.assertEqual(self.run_ok("export"), before)

    def test_an_edit_that_changes_nothing_makes_no_revision(self):
        head = self.first_day()
        self.assertIn("nothing to change", self.run_ok("region", "set", "eu-west", "--capacity", "40000"))
        self.assertEqual(self.revision(), head)

    def test_concurrent_editors_all_succeed_one_after_another(self):
        self.run_ok("init")
        start, results = self.revision(), []
        workers = [threading.Thread(target=lambda n=n: results.append(
            self.run_any("region", "add", f"r{n}").code)) for n in range(8)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.assertEqual(results, [0] * 8)
        self.assertEqual(self.revision(), start + 8)
        self.assertEqual(len(self.run_json("region", "list")), 8)

    def test_tokens_given_out_at_once_are_all_good(self):
        self.run_ok("init")
        done = []
        threads = [threading.Thread(target=lambda i=i: done.append(self.run_any("token", "add", f"t{i}").code)) for i in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(done, [0] * 12)
        self.assertEqual(len(self.run_json("token", "list")), 12)

    def test_the_latency_file_is_taken_whole_or_not_at_all(self):
        self.first_day()
        good = self.write("good.csv", "where,region,milliseconds\nnet:81.2.69.0/24,eu-west,8\nasn:3320,us-east,90.5\n")
        head = self.revision()
        self.stored(self.run_ok("latency", "import", good), head + 1)
        self.assertEqual(self.run_ok("latency", "list").splitlines(),
                         ["WHERE\tREGION\tMS", "net:81.2.69.0/24\teu-west\t8", "asn:3320\tus-east\t90.5"])
        bad = self.write("bad.csv", "net:81.2.69.0/24,eu-west,9\nnet:81.2.70.0/24,mars,9\nx,y\n")
        self.run_fail(1, ["bad.csv:2", "mars", "bad.csv:3"], "latency", "import", bad)
        self.assertEqual(len(self.run_json("latency", "list")), 2)
        for nothing in ("", "\n", "# later\n"):  # of a command that failed, say
            self.run_fail(1, ["header alone"], "latency", "import", "-", stdin=nothing)
        self.assertEqual(len(self.run_json("latency", "list")), 2)
        self.stored(self.run_ok("latency", "import", "-", stdin="where,region,milliseconds\n"), head + 2)
        self.assertEqual(self.run_json("latency", "list"), [])


class Overrides(Case):
    def test_a_drain_is_stored_and_no_revision(self):
        head = self.first_day()
        out = self.run_ok("drain", "eu-west", "--over", "10m", "--to", "40%", "--reason", "db move", "--until", "2h")
        self.assertIn("stored", out)
        self.assertIn("no daemon runs", out)
        self.assertRegex(self.run_ok("region", "show", "eu-west"),
                         r"override +drain by ana since \S+Z until \S+Z: db move")
        self.assertEqual(self.revision(), head)
        self.assertNotIn("db move", self.run_ok("export", "--local"))
        self.run_ok("undrain", "eu-west")
        self.assertNotIn("override", self.run_ok("region", "show", "eu-west"))
        self.run_ok("undrain", "eu-west")

    def test_states_of_regions_and_endpoints(self):
        self.first_day()
        self.run_ok("region", "set", "us-east", "--state", "down")
        self.assertIn("down by ana", self.run_ok("region", "show", "us-east"))
        endpoint = ["www.gslb.example.com", "eu-west", "203.0.113.20"]
        self.run_ok("endpoint", "set", *endpoint, "--state", "drain")
        self.assertIn("drain by ana", self.run_ok("endpoint", "show", *endpoint))
        self.run_ok("endpoint", "set", *endpoint, "--state", "auto")
        self.assertNotIn("override", self.run_ok("endpoint", "show", *endpoint))
        self.assertIn("release", self.run_ok("help", "release"))
        self.run_ok("release", "us-east")

    def test_what_an_override_may_not_be(self):
        self.first_day()
        for code, says, args in (
                (3, "mars", ["drain", "mars"]),
                (3, "203.0.113.99", ["endpoint", "set", "www.gslb.example.com", "eu-west", "203.0.113.99", "--state", "down"]),
                (3, "mars", ["release", "mars"]),
                (1, "sideways", ["region", "set", "eu-west", "--state", "sideways"]),
                (1, "--to", ["drain", "eu-west", "--to", "2"]),
                (1, "--over", ["drain", "eu-west", "--over", "soon"]),
                (1, ["--over", "400d", "366d"], ["drain", "eu-west", "--over", "400d"]),
                (1, "past", ["drain", "eu-west", "--until", "2001-01-01T00:00:00Z"]),
                (2, "of its own", ["region", "set", "eu-west", "--state", "up", "--capacity", "4"]),
                (2, "--state", ["region", "set", "eu-west", "--reason", "x"]),
                (2, "drain", ["region", "set", "eu-west", "--state", "down", "--to", "0.5"])):
            self.run_fail(code, says, *args)

    def test_windows_are_planned_listed_and_removed(self):
        head = self.first_day()
        out = self.run_ok("maintenance", "add", "eu-west", "--from", "2h", "--until", "2999-01-01T00:00:00Z", "--over", "10m",
                          "--to", "40%", "--reason", "db move")
        self.assertRegex(out, r"^maintenance 1: eu-west drain to 40% over 10m from \S+Z until 2999-01-01T00:00:00Z; stored")
        self.run_ok("maintenance", "add", "us-east", "--state", "down", "--from", "1h", "--until", "3h", "--reason", "x")
        lines = [line.split("\t") for line in self.run_ok("maintenance", "list").splitlines()]
        self.assertEqual([line[:4] for line in lines],
                         [["ID", "REGION", "SET", "OVER"], ["2", "us-east", "down", "-"], ["1", "eu-west", "drain 40%", "10m"]])
        self.assertEqual(lines[2][-2:], ["ana", "db move"])
        self.assertEqual(self.run_json("maintenance", "list")[1]["to"], 0.4)
        self.assertRegex(self.run_ok("region", "show", "eu-west"), r"maintenance +1: drain from \S+Z until 2999\S+ by ana: db move")
        self.assertEqual(self.revision(), head)
        self.run_ok("maintenance", "remove", "1")
        self.run_fail(3, ["window 1"], "maintenance", "remove", "1")
        self.assertEqual([w["id"] for w in self.run_json("maintenance", "list")], [2])

    def test_what_a_window_may_not_be(self):
        self.first_day()
        good = {"--from": "1h", "--until": "2h", "--reason": "x"}
        for code, says, more in (
                (2, "--from is missing", {"--from": None}), (2, "--until is missing", {"--until": None}),
                (2, "--reason is missing", {"--reason": None}), (1, "--from", {"--from": "soon"}),
                (1, "not after --from", {"--from": "3h"}), (1, "sideways", {"--state": "sideways"}),
                (1, "past", {"--from": "2001-01-01T00:00:00Z", "--until": "2001-01-02T00:00:00Z"}),
                (2, "--to", {"--state": "down", "--to": "0.4"}), (1, "--over", {"--over": "soon"})):
            flags = [x for k, v in {**good, **more}.items() if v for x in (k, v)]
            self.run_fail(code, says, "maintenance", "add", "eu-west", *flags)
        self.run_fail(3, "mars", "maintenance", "add", "mars", *[x for kv in good.items() for x in kv])
        self.run_fail(2, "number", "maintenance", "remove", "x")

    def test_overrides_survive_rollback_and_apply(self):
        head = self.first_day()
        self.run_ok("drain", "eu-west")
        self.run_ok("service", "set", "www.gslb.example.com", "--ttl", "60")
        self.run_ok("rollback", str(head))
        self.run_ok("apply", "-", stdin=self.run_ok("export"))
        self.assertIn("drain by ana", self.run_ok("region", "show", "eu-west"))


class Output(Case):
    def terminal(self, *args):
        """What the command prints on a terminal: a few lines, which the terminal's buffer holds."""
        ours, theirs = pty.openpty()
        subprocess.run([MERIDIAN, *args], stdin=theirs, stdout=theirs, stderr=theirs, timeout=TIMEOUT_S,
                       env=dict(os.environ, MERIDIAN_DB=self.db))
        os.set_blocking(ours, False) # our end of theirs is still open: nothing is lost, nothing hangs up
        out = b""
        try:
            while chunk := os.read(ours, 4096):
                out += chunk
        except BlockingIOError:
            pass
        os.close(theirs)
        os.close(ours)
        return out.decode().replace("\r\n", "\n")

    def test_lists_are_aligned_on_a_terminal(self):
        self.first_day()
        self.assertEqual(self.terminal("region", "list"),
                         "REGION   AT            CAPACITY  BIAS KM\n"
                         "us-east  39.04,-77.49         -        0\n"
                         "eu-west  53.34,-6.26      40000        0\n")

    def test_json_is_stable(self):
        self.first_day()
        self.assertEqual(self.run_ok("region", "list", "--json"), self.run_ok("--json", "region", "list"))
        edit = self.run_json("region", "add", "ap")
        self.assertEqual(sorted(edit), ["changed", "changes", "dry_run", "revision", "serving", "warnings"])
        self.assertEqual(self.run_ok("log", "--json"), "")

    def test_a_closed_or_full_output_is_noticed(self):
        self.first_day()
        command = f'MERIDIAN_DB="{self.db}" "{MERIDIAN}" '
        shell = lambda text: subprocess.run(["bash", "-c", "set -o pipefail; " + text], capture_output=True,
                                            text=True, timeout=TIMEOUT_S)
        full = shell(command + "export > /dev/full")
        self.assertEqual((full.returncode, "cannot be written" in full.stderr), (1, True))
        closed = shell(command + "region add ap >&- 2>&-")
        self.assertEqual(closed.returncode, 0)
        self.assertIn("ap", self.run_ok("region", "list"))
        head = shell(command + "export | true")
        self.assertEqual((head.returncode, head.stderr), (0, ""))

    def test_help_is_everywhere(self):
        for args in (["help"], ["--help"], ["region", "--help"], ["region", "add", "--help"],
                     ["help", "map", "rule", "add"], ["--version"], ["completion", "bash"]):
            self.assertNotEqual(self.run_ok(*args, db=False), "")
        text = self.run_ok("service", "add", "--help")
        for flag in ("--policy", "--ttl-moving", "--on-empty", "--failback", "--min-capacity", "--dry-run",
                     "--db", "--json", "Example:"):
            self.assertIn(flag, text)
        self.assertRegex(self.run_ok("--version"), r"^meridian \d+\.\d+\.\d+\n$")
        self.run_fail(2, "completion", "completion", "tcsh")

    def test_the_completion_script_completes(self):
        script = self.write("completion", self.run_ok("completion", "bash"))
        words = lambda *typed: subprocess.run(
            ["bash", "-c", f'. {script}; COMP_WORDS=(meridian "$@"); COMP_CWORD=$#; _meridian; '
             'printf "%s\\n" "${COMPREPLY[@]}"', "-", *typed], capture_output=True, text=True).stdout.split()
        self.assertIn("region", words("reg"))
        self.assertEqual(set(words("region", "")), {"add", "set", "show", "list", "remove"})
        self.assertIn("rule", words("map", ""))
        self.assertEqual(words("region", "add", "eu", "--cap"), ["--capacity"])

    def test_geo_without_databases(self):
        self.first_day()
        self.assertIn("no database is set", self.run_ok("geo", "lookup", "81.2.69.160"))
        self.assertEqual(self.run_json("geo", "status"), {"databases": []})
        self.run_fail(1, "not an IPv4 or IPv6 address", "geo", "lookup", "london")
        self.run_fail(1, "absent.mmdb", "set", "geo", "absent.mmdb")


class Daemon(Case):
    """A stand-in for the daemon: the lock is held, the socket answers what the test says."""

    def serve(self, answer):
        path = os.path.join(self.folder.name, "d.sock")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(8)
        server.settimeout(TIMEOUT_S)
        lock = open(self.db + ".lock", "w")
        lock.write(json.dumps({"pid": os.getpid(), "control": path}))
        lock.flush()
        fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        self.asked = []

        def loop():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, connection.makefile("rw") as f:
                    request = json.loads(f.readline())
                    self.asked.append(request)
                    for line in answer(request):
                        f.write(line if isinstance(line, str) else json.dumps(line) + "\n")
                    f.flush()

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        self.addCleanup(lock.close)
        self.addCleanup(lambda: (server.shutdown(socket.SHUT_RDWR), server.close(), thread.join()))

    def test_an_edit_goes_through_the_daemon_and_comes_back_serving(self):
        self.first_day()
        head = self.revision()
        self.serve(lambda r: [{"ok": True, "revision": 42, "serving": True, "changed": True,
                               "changes": ["+ region ap"], "warnings": ["beware"]}])
        r = self.run_any("region", "add", "ap", "--at", "1,2", "--message", "why")
        self.assertEqual((r.code, r.out), (0, "revision 42 is serving\n"))
        self.assertIn("beware", r.err)
        request = self.asked[0]
        self.assertEqual(request["edits"], [{"verb": "add", "noun": "region", "name": "ap", "fields": {"at": "1,2"}}])
        self.assertEqual((request["op"], request["author"], request["message"], request["verb"], request["dry_run"]),
                         ("edit", "ana", "why", "region add ap", False))
        self.assertEqual(self.revision(), head)  # only the daemon writes

    def test_a_refusal_of_the_daemon_keeps_its_status(self):
        self.first_day()
        self.serve(lambda r: [{"ok": False, "code": {"a": 1, "b": 3, "c": 5}[r["edits"][0]["name"]],
                               "error": "no", "findings": ["region: no", "region: never"]}])
        for name, code in (("a", 1), ("b", 3), ("c", 5)):
            self.run_fail(code, ["region: no\n", "region: never\n"], "region", "add", name)

    def test_broken_answers_are_unreachable_not_a_crash(self):
        self.first_day()
        self.serve(lambda r: {"status": ["nonsense\n"], "reload": [], "explain": ['{"half":']}[r["op"]])
        for args in (["status"], ["reload"], ["explain", "x"]):
            self.run_fail(4, "does not answer", *args)

    def test_status_is_the_table_of_the_manual(self):
        self.first_day()
        region = lambda name, **kw: dict({"name": name, "set": "on", "set_to": None, "set_until": None,
                                          "set_author": None, "set_reason": None, "observed": "up",
                                          "effective": 1, "share_got": 0.69, "share_want": 0.7,
                                          "error_rate": 0.001, "rtt_ms": 38, "since": "", "since_ms": 777600000,
                                          "why": "-"}, **kw)
        self.serve(lambda r: [{"ok": True, "version": "0", "revision": 7, "degraded": None, "state_age_ms": None, "regions": [
            region("eu-west", observed="degraded", effective=0.7, share_got=0.31, share_want=0.3, error_rate=0.26,
                   rtt_ms=41, since_ms=131000, why="error rate over 60 s"),
            region("us-east"),
            region("ap-south", set="drain", effective=0, share_got=0, share_want=0, error_rate=0, rtt_ms=None,
                   since_ms=3600000, set_author="ana", set_until="2001-01-01T12:00:00Z", set_reason="db move")]}])
        self.assertEqual(self.run_ok("status").splitlines(), [
            "REGION\tSET\tOBSERVED\tEFFECTIVE\tSHARE got/want\tERR%\tRTT\tSINCE\tWHY",
            "eu-west\ton\tdegraded\t0.70\t31%/30%\t26.0\t41ms\t2m11s\terror rate over 60 s",
            "us-east\ton\tup\t1.00\t69%/70%\t0.1\t38ms\t9d\t-",
            "ap-south\tdrain\tup\t0.00\t0%/0%\t0.0\t-\t1h\tana until 2001-01-01T12:00:00Z: db move"])

    def test_explain_reads_from_top_to_bottom(self):
        self.first_day()
        self.serve(lambda r: [{"ok": True, "name": "www.gslb.example.com", "type": "A", "rcode": "NOERROR",
                               "answers": ["203.0.113.20"], "ttl": 30, "scope": 24, "kind": "service",
                               "service": "www.gslb.example.com", "region": "eu-west",
                               "client": {"address": "81.2.69.160", "from": "subnet", "network": "81.2.69.0/24",
                                          "place": {"country": "GB", "city": "London"}},
                               "steps": [{"step": "latency", "text": "eu-west 12 ms measured"}],
                               "candidates": [{"region": "eu-west", "address": "203.0.113.20", "group": 1,
                                               "weight": 100, "available": 1.0, "verdict": "chosen"}]}])
        out = self.run_ok("explain", "www.gslb.example.com", "--client", "81.2.69.160")
        for text in ("country=GB", "city=London", "1. latency   eu-west 12 ms measured", "chosen",
                     "answer     203.0.113.20", "scope      24", "ttl        30"):
            self.assertIn(text, out)
        self.assertEqual(self.asked[0], {"op": "explain", "name": "www.gslb.example.com", "type": "A", "client": "81.2.69.160"})
        self.run_fail(1, "--client", "explain", "x", "--client", "nowhere")

    def test_following_the_log_prints_lines_as_they_come(self):
        self.first_day()
        self.serve(lambda r: [{"ok": True}] + [{"id": n, "line": f"line {n}\x1b[2J"} for n in range(3)])
        r = self.run_any("log", "--follow", "--region", "eu-west", "--since", "1h")
        self.assertEqual(r.out, "line 0?[2J\nline 1?[2J\nline 2?[2J\n")
        self.assertEqual(r.code, 4)  # the daemon went away
        self.assertEqual((self.asked[0]["op"], self.asked[0]["region"], self.asked[0]["limit"]), ("log-follow", "eu-west", 10))

    def test_an_override_travels_with_its_numbers(self):
        self.first_day()
        self.serve(lambda r: [{"ok": True}])
        out = self.run_ok("drain", "eu-west", "--to", "40%", "--over", "10m", "--reason", "db")
        self.assertEqual(out, "eu-west: drain to 40% over 10m\n")
        request = self.asked[0]
        self.assertEqual((request["op"], request["region"], request["state"], request["to"], request["over_ms"],
                          request["author"], request["reason"]), ("override", "eu-west", "drain", 0.4, 600000, "ana", "db"))
        self.run_ok("endpoint", "set", "www.gslb.example.com", "eu-west", "203.0.113.20", "--state", "auto")
        self.assertEqual((self.asked[1]["service"], self.asked[1]["address"], self.asked[1]["state"]),
                         ("www.gslb.example.com", "203.0.113.20", "auto"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
