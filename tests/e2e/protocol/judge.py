"""Whether an answer is what the words of a row say; hostile.py explains the words."""

import socket
import struct

import row as rows
import wire
from common import EU
from wire import Malformed

OPTIONS = {"ecs": wire.ECS, "cookie": wire.COOKIE, "nsid": wire.NSID, "keepalive": wire.KEEPALIVE, "ede": wire.EDE}
NSID = b"hostile.test"
IDLE = 100  # tcp-idle's default of 10 s in units of RFC 7828
SOA_FIXED = 20  # SOA's numbers behind its two names


class Expected:
    """One alternative of a row's words; hostile.py explains them."""

    def __init__(self, text):
        self.text = text
        words = text.split()
        self.rcode = words[0]
        self.may = {w[:-1] for w in words[1:] if w.endswith("?")}
        self.must = {w for w in words[1:] if not w.endswith("?")}

    def bit(self, word, is_set):
        if is_set and word not in self.must | self.may or not is_set and word in self.must:
            raise Malformed("%s is %s" % (word, "set" if is_set else "not there"))

    def check(self, asked, m):
        if wire.RCODE_NAMES.get(m.rcode, str(m.rcode)) != self.rcode:
            raise Malformed("RCODE %s" % wire.RCODE_NAMES.get(m.rcode, m.rcode))
        self.bit("bare", m.question is None)
        self.bit("aa", bool(m.flags & wire.AA))
        self.bit("tc", bool(m.flags & wire.TC))
        self.bit("opt", m.opt is not None)
        self.bit("do", bool(m.opt and m.opt_flags & wire.DO))
        self.options(asked, m)
        self.sections(m)

    def options(self, asked, m):
        named = {w.partition(":")[0]: w.partition(":")[2] for w in self.must | self.may}
        for code in m.options:
            if code not in [OPTIONS[w] for w in named if w in OPTIONS]:
                raise Malformed("option %d" % code)
        for word, value in named.items():
            if word not in OPTIONS:
                continue
            data = m.options.get(OPTIONS[word])
            if data is None:
                if word in self.may:
                    continue
                raise Malformed("without %s" % word)
            getattr(self, "check_" + word)(asked, data, value)

    @staticmethod
    def check_ecs(asked, data, _):
        if struct.pack("!HH", wire.ECS, len(data)) + data not in asked or data[3] != 0:
            raise Malformed("client subnet %s" % data.hex())

    @staticmethod
    def check_cookie(asked, data, _):
        if len(data) != 24 or data[:8] not in asked or data[8:12] != b"\1\0\0\0":
            raise Malformed("cookie %s" % data.hex())

    @staticmethod
    def check_nsid(_, data, __):
        if data != NSID:
            raise Malformed("NSID %r" % data)

    @staticmethod
    def check_keepalive(_, data, __):
        if data != struct.pack("!H", IDLE):
            raise Malformed("keepalive %s" % data.hex())

    @staticmethod
    def check_ede(_, data, value):
        if len(data) < 2 or struct.unpack("!H", data[:2])[0] != int(value):
            raise Malformed("extended error %r" % data)
        data[2:].decode("utf-8")

    def sections(self, m):
        answer, authority = m.rrsets(m.answer), m.rrsets(m.authority)
        additional = list(m.additional)
        tsig = [w for w in self.must if w.startswith("tsig:")]
        if tsig:
            self.signature(additional.pop() if additional else None, int(tsig[0][5:]))
        if additional:
            raise Malformed("additional records")
        if authority and "soa" not in self.must or "soa" in self.must and [k[1] for k in authority] != [wire.SOA]:
            raise Malformed("authority %s" % list(authority))
        if "address" in self.must:
            wanted = {(rows.WWW, wire.A): [socket.inet_aton(EU)]}
        elif "zone" in self.must:
            wanted = {(rows.APEX, wire.SOA): answer.get((rows.APEX, wire.SOA))}
            if len(m.answer) != 1 or len(m.answer[0].rdata) < SOA_FIXED + 2:
                raise Malformed("no SOA")
        elif "long" in self.must:
            wanted = {(rows.LONG, wire.TXT): [(b"\xc8" + b"l" * 200) * 4 + b"\x64" + b"l" * 100]}
        elif "text" in self.must:
            wanted = {(m.qname.lower(), wire.TXT): answer.get((m.qname.lower(), wire.TXT))}
            if any(r.rclass != wire.CH or r.ttl or r.rdata[1:10] != b"meridian " for r in m.answer) or not m.answer:
                raise Malformed("class, TTL or text in CH")
        else:
            wanted = {}
        if answer != wanted:
            raise Malformed("answer %s" % answer)

    @staticmethod
    def signature(record, error):
        if record is None or record.rtype != wire.TSIG or record.rclass != wire.CLASS_ANY or record.ttl:
            raise Malformed("no TSIG at the end")
        rest = record.rdata[record.rdata.index(b"\0") + 1:]  # behind the algorithm's name
        _, _, _, mac, _, said, other = struct.unpack("!HIHHHHH", rest)
        if mac or other or said != error:
            raise Malformed("a TSIG with error %d and a MAC of %d octets" % (said, mac))

    def outcome(self):
        """The counter that this answer moves; None where the row leaves it open."""
        if self.rcode == "silence":
            return "dropped"
        if "tc" in self.must:
            return "truncated"
        if self.rcode == "NOERROR" and "soa" in self.must:
            return "nodata"
        if self.rcode == "NOERROR" and "bare" in self.must:
            return "cookie"
        return self.rcode.lower()


def judge(packet, expected, octets):
    """Which of the alternatives this is; raises Malformed with the reason if it is none."""
    reasons = []
    for text in expected.split(" / "):
        e = Expected(text)
        try:
            if (octets is None) != (e.rcode == "silence"):
                raise Malformed("silence" if octets is None else "an answer")
            if octets is not None:
                message = wire.Message(octets)
                wire.check_copies(packet, message)
                e.check(packet, message)
            return e
        except Malformed as reason:
            reasons.append(str(reason))
    raise Malformed("; ".join(reasons))
