"""doctor: what a parent and the name servers say against what is configured, and traps in that."""

import json
import os

import common
from common import lab

PARENT, ONE, TWO = "127.0.0.9", "127.0.0.1", "127.0.0.2"
NS = "zone add gslb.example --ns ns1.gslb.example=%s --ns ns2.gslb.example=%s" % (ONE, TWO)


def world(t, db=None):
    for words in ("init", NS, "region add eu --at 51.5,-0.1", "region add us --at 39.0,-77.5",
                  "probe add web --type exec --command /bin/true --interval 10s",
                  "service add www.gslb.example --policy nearest --probe web",
                  "endpoint add www.gslb.example eu 203.0.113.1", "endpoint add www.gslb.example us 203.0.113.2",
                  "service add alias.gslb.example --policy failover --probe web",
                  "endpoint add alias.gslb.example eu target.example.net",
                  "service add six.gslb.example --policy all --probe web",
                  "endpoint add six.gslb.example eu 2001:db8::1"):
        t.meridian(words, db=db)


def doctor(t, *more, parent=PARENT, code=None):
    done = t.meridian("doctor", "gslb.example", "--parent", parent, "--json", *more, ok=None)
    found = json.loads(done.stdout)
    assert done.returncode == any(f["result"] == "problem" for f in found), (done.returncode, found)
    assert code is None or done.returncode == code, found
    return found


def has(found, result, check, *words):
    return any(f["result"] == result and f["check"] == check and all(w in f["where"] + " " + f["text"] for w in words)
               for f in found)


def test_what_is_well_is_said_to_be_well(t):
    world(t)
    t.daemon(listen=(ONE + ":53", TWO + ":53"))
    t.parent(PARENT, t.meridian("zone delegation gslb.example").stdout)
    found = doctor(t, code=0)
    assert [f["result"] for f in found] == ["ok"] * 4, found
    assert has(found, "ok", "parent", "2 name servers") and has(found, "ok", "server", ONE) and has(found, "ok", "server", TWO)
    text = t.meridian("doctor GSLB.example. --parent %s:53" % PARENT).stdout.splitlines()
    assert text[0] == "RESULT\tCHECK\tWHERE\tWHAT" and len(text) == 5, text
    assert t.meridian("doctor nowhere.example", ok=None).returncode == 3
    assert t.meridian("doctor gslb.example --parent nonsense", ok=None).returncode == 1


def test_a_parent_that_says_something_else_is_found(t):
    world(t)
    t.daemon(listen=(ONE + ":53", TWO + ":53"))
    t.parent(PARENT, "gslb NS ns1.gslb\ngslb NS ns3.gslb\nns1.gslb A 127.0.0.7\nns3.gslb A 127.0.0.3\n")
    found = doctor(t, code=1)
    assert has(found, "problem", "parent", "ns3.gslb.example"), found
    assert has(found, "problem", "parent", "does not name ns2.gslb.example"), found
    assert has(found, "problem", "parent", "no glue ns1.gslb.example 127.0.0.1"), found
    assert has(doctor(t, parent="127.0.0.8"), "problem", "parent", "refused")
    assert has(doctor(t, parent=ONE, code=1), "problem", "parent", "no glue"), "not a parent at all"


def test_a_name_server_that_is_gone_or_differs_is_found(t):
    world(t)
    t.parent(PARENT, t.meridian("zone delegation gslb.example").stdout)
    t.daemon(listen=(ONE + ":53",))
    found = doctor(t, code=1)
    assert has(found, "problem", "udp", TWO) and has(found, "problem", "tcp", TWO) and has(found, "ok", "server", ONE), found
    other = os.path.join(t.folder, "other.db")
    world(t, db=other)
    for words in ("service set www.gslb.example --ttl 77", "service remove alias.gslb.example",
                  "endpoint add six.gslb.example us 2001:db8::2", "endpoint remove six.gslb.example eu 2001:db8::1"):
        t.meridian(words, db=other)
    t.daemon(name="other", db=other, listen=(TWO + ":53",))
    found = doctor(t, code=1)
    assert has(found, "problem", "ttl", TWO, "www.gslb.example", "77"), found
    assert has(found, "problem", "answer", TWO, "alias.gslb.example", "NXDOMAIN"), found
    assert has(found, "problem", "answer", TWO, "2001:db8::2", "no endpoint"), found
    assert not has(found, "problem", "ttl", ONE) and has(found, "ok", "server", ONE), found


def test_traps_in_the_configuration_are_found(t):
    world(t)
    document = {"maps": [{"name": "m", "rules": [{"where": "country:DE", "regions": ["eu"]},
                                                 {"where": "net:2002:a00::/24", "regions": ["eu", "us"]},
                                                 {"where": "default", "regions": ["eu", "us"]}]}]}
    t.meridian("apply", "-", stdin=json.dumps(document))
    for words in ("service add f.gslb.example --ttl 600 --probe web", "endpoint add f.gslb.example eu 203.0.113.1",
                  "endpoint add f.gslb.example us 203.0.113.2", "service set f.gslb.example --policy 'fence | geo' --map m",
                  "probe add self --type tcp --port 80 --target www.gslb.example --interval 1m",
                  "service add z.gslb.example --probe self", "endpoint add z.gslb.example eu 203.0.113.3 --weight 0"):
        t.meridian(words)
    found = doctor(t)
    for result, name, words in (("warning", "f", "TTL of 600 s"), ("warning", "f", "country:DE one region"),
                                ("warning", "f", "net:2002:a00::/24 of map m never matches"),
                                ("warning", "f", "country:DE of map m never matches"),
                                ("warning", "z", "all weights are 0"), ("problem", "z", "balanced name")):
        assert has(found, result, "configuration", name + ".gslb.example", words), (words, found)


if __name__ == "__main__":
    lab.run(globals())
