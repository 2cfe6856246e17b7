"""Static zones answered by Meridian and by NSD: every question gets the same answer from both."""

import os
import sys

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

OURS, THEIRS = "127.0.0.1", "127.0.0.2"

# Wildcards of RFC 4592 section 2.2.1, and one zone with everything else.
ZONES = {
    "example": """$TTL 3600
@ SOA ns.example.com. host 1 2 3 4 5
@ NS ns.example.com.
@ NS ns.example.net.
* TXT "this is a wildcard"
* MX 10 host1
sub.* TXT "this is not a wildcard"
host1 A 192.0.2.1
_ssh._tcp.host1 SRV 0 0 22 host1
_ssh._tcp.host2 SRV 0 0 22 host2
subdel NS ns.example.com.
subdel NS ns.example.net.
""",
    "z.test": """$TTL 3600
@ 600 SOA ns1 host 1 2 3 4 300
@ NS ns1
@ MX 10 mail
@ HTTPS 0 svc
@ CAA 0 issue "ca.example"
ns1 A 192.0.2.53
mail A 192.0.2.25
mail A 192.0.2.26
mail AAAA 2001:db8::25
a.b.c TXT "deep" "two"
alias CNAME mail
alias2 CNAME alias
abroad CNAME www.example.org.
absent CNAME no
nodata CNAME a.b.c
ent CNAME c
intocut CNAME x.own
other CNAME host1.example.
otherno CNAME no.y.test.
*.wild 60 A 192.0.2.77
here.wild TXT "x"
x.y.wild TXT "y is empty"
*.cn CNAME mail
*.out CNAME www.example.org.
*.ren CNAME x.dn
_sip._tcp.*.srv SRV 1 1 5060 mail
sub.*.empty TXT "x"
own NS ns.own
own NS mail
ns.own A 192.0.2.1
ns.own AAAA 2001:db8::1
sib NS ns.own
far NS ns.far.example.
signed NS ns.far.example.
signed DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
x.deep NS ns.far.example.
dn DNAME y.test.
dn TXT "beside"
svc HTTPS 2 . alpn=h2
svc HTTPS 1 host port=8443 alpn=h3 mandatory=port ipv4hint=192.0.2.9
svc A 192.0.2.7
odd TYPE65280 \\# 4 c0ffee00
a\\.b A 192.0.2.8
a\\000b A 192.0.2.9
\\255 A 192.0.2.10
big TXT "%s"
Case.Mixed TXT "x"
""" % ("x" * 200),
    "y.test": """$TTL 300
@ SOA ns1.z.test. host 1 2 3 4 900
@ NS ns1.z.test.
host A 192.0.2.44
x A 192.0.2.45
cut NS ns.far.example.
""",
}
TYPES = ["A", "AAAA", "NS", "SOA", "CNAME", "DNAME", "MX", "TXT", "SRV", "DS", "HTTPS", "SVCB", "CAA", "PTR", "TYPE65280",
         "TYPE65281"]


def names():
    """Each owner, what lies above and below it, asterisks, and names outside."""
    found = {dns.name.from_text(n) for n in ("test.", "org.", "zz.test.", "www.example.org.", "z.test.y.test.")}
    for zone, text in ZONES.items():
        origin = dns.name.from_text(zone)
        for line in text.split("\n")[1:]:
            if not line:
                continue
            name = dns.name.from_text(line.split()[0], origin) if line[0] != "@" else origin
            found.add(name)
            for label in ("x", "*", "no", "X.y", "host", "mail.z.test"):
                found.add(dns.name.from_text(label, name))
            while name != origin:
                name = name.parent()
                found.add(name)
    return sorted(found)


def ask(server, name, rdtype):
    q = dns.message.make_query(name, rdtype, use_edns=0, payload=1232)
    q.flags &= ~dns.flags.RD
    return dns.query.udp(q, server, 5)


def section(rrsets, types=None):
    """As texts that do not depend on order or case."""
    return sorted(("%s %d %s %s" % (s.name, s.ttl, dns.rdatatype.to_text(s.rdtype), rd)).lower()
                  for s in rrsets if not types or s.rdtype in types for rd in s)


def kind(m):
    if m.rcode() != dns.rcode.NOERROR:
        return dns.rcode.to_text(m.rcode())
    if any(s.rdtype == dns.rdatatype.SOA for s in m.authority):
        return "nodata"
    if any(s.rdtype == dns.rdatatype.NS for s in m.authority) and not m.answer and not m.flags & dns.flags.AA:
        return "referral"
    return "answer"


def seen(m):
    """What both must say alike. Beside a positive answer NSD puts NS and addresses, which may be left
    out (RFC 1034 section 4.3.2 step 6, RFC 2181 section 9)."""
    k = kind(m)
    if k in ("nodata", "NXDOMAIN"):
        rest = section(m.authority, {dns.rdatatype.SOA})
    elif k == "referral":
        rest = section(m.authority, {dns.rdatatype.NS, dns.rdatatype.DS}) + section(m.additional)
    else:
        rest = []
    return k, bool(m.flags & dns.flags.AA), bool(m.flags & dns.flags.TC), section(m.answer), rest


# RFC 1034 section 4.3.2, RFC 4592 section 2.2.1, RFC 6672 section 3.2, RFC 2308 section 3, RFC 9471 section 3.1.
def test_static_zones_are_answered_as_nsd_answers_them(t):
    t.meridian("init")
    with open(t.fill("nsd.conf.in", os.path.join(t.folder, "nsd.conf"), DIR=t.folder, ADDRESS=THEIRS)) as f:
        server = f.read().partition("zone:\n")[0]
    conf = [server.replace("server-count: 1", "server-count: 1\n    rrl-ratelimit: 0")]  # else 200 a second
    for zone, text in ZONES.items():
        path = t.write(zone + ".zone", "$ORIGIN %s.\n%s" % (zone, text))
        t.meridian("zone add %s --file %s" % (zone, path))
        conf += ["zone:", "  name: %s" % zone, "  zonefile: %s" % path]
    d = t.daemon()
    nsd = lab.Process(t, "nsd", ["nsd", "-d", "-c", t.write("nsd.conf", "\n".join(conf) + "\n")])
    nsd.wait_until("its answers", lambda: lab.connects(THEIRS, 53))
    asked, differ = 0, []
    for name in names():
        for rdtype in TYPES:
            ours, theirs = ask(OURS, name, rdtype), ask(THEIRS, name, rdtype)
            asked += 1
            if seen(ours) != seen(theirs):
                differ.append("%s %s\nours   %s\ntheirs %s" % (name, rdtype, seen(ours), seen(theirs)))
    print("%d questions, %d differences" % (asked, len(differ)))
    assert asked > 3000, "too few questions to mean anything"
    assert not differ, "%d of %d:\n%s" % (len(differ), asked, "\n".join(differ[:20]))
    assert d.alive()


if __name__ == "__main__":
    lab.run(globals())
