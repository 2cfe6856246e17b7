"""Messages octet by octet: small builders that allow every lie, and a reader that forgives none."""

import struct

A, NS, CNAME, SOA, TXT, AAAA, OPT, TSIG, ANY = 1, 2, 5, 6, 16, 28, 41, 250, 255
IN, CH, NONE, CLASS_ANY = 1, 3, 254, 255
NSID, DAU, ECS, EXPIRE, COOKIE, KEEPALIVE, PADDING, CHAIN, EDE = 3, 5, 8, 9, 10, 11, 12, 13, 15
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x400, 0x200, 0x100, 0x80, 0x40, 0x20, 0x10
DO = 0x8000
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5, "NOTAUTH": 9,
          "BADVERS": 16, "BADCOOKIE": 23}
RCODE_NAMES = {number: text for text, number in RCODES.items()}


# Builders

def name(text):
    """A name in wire form; no escapes, no checks."""
    labels = [x.encode() for x in text.strip(".").split(".") if x]
    return b"".join(bytes([len(x)]) + x for x in labels) + b"\0"


def header(flags=0, qd=1, an=0, ns=0, ar=0, number=0x4d65):
    return struct.pack("!HHHHHH", number, flags, qd, an, ns, ar)


def opcode(n):
    return n << 11


def question(qname, qtype=A, qclass=IN):
    return qname + struct.pack("!HH", qtype, qclass)


def rr(owner, rtype, rclass=IN, ttl=0, rdata=b"", rdlength=None):
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(rdata) if rdlength is None else rdlength) + rdata


def option(code, data=b"", length=None):
    return struct.pack("!HH", code, len(data) if length is None else length) + data


def opt(options=b"", size=1232, version=0, flags=0, owner=b"\0", rdlength=None, extended=0):
    return rr(owner, OPT, size, extended << 24 | version << 16 | flags, options, rdlength)


def ecs(family, source, address=b"", scope=0):
    return option(ECS, struct.pack("!HBB", family, source, scope) + address)


def pointer(to):
    return struct.pack("!H", 0xc000 | to)


# The strict reader

class Malformed(Exception):
    """What a server must never send."""


class Record:
    def __init__(self, owner, rtype, rclass, ttl, rdata):
        self.owner, self.rtype, self.rclass, self.ttl, self.rdata = owner, rtype, rclass, ttl, rdata


class Message:
    """An answer taken apart. Every octet must belong to something, every count must be true."""

    def __init__(self, octets):
        self.octets, self.at = octets, 12
        if len(octets) < 12:
            raise Malformed("%d octets are no header" % len(octets))
        self.number, self.flags, qd, an, ns, ar = struct.unpack("!HHHHHH", octets[:12])
        if qd > 1:
            raise Malformed("QDCOUNT %d" % qd)
        self.question = None
        if qd:
            self.qname = self.read_name(plain=True)
            self.take(4)
            self.question = octets[12:self.at]
        self.answer, self.authority, additional = ([self.read_record() for _ in range(n)] for n in (an, ns, ar))
        if self.at != len(octets):
            raise Malformed("%d octets behind the last record" % (len(octets) - self.at))
        self.read_opt(additional)

    def take(self, n):
        if len(self.octets) - self.at < n:
            raise Malformed("cut short at octet %d" % self.at)
        self.at += n
        return self.octets[self.at - n:self.at]

    def read_name(self, plain=False):
        """The name's labels without compression; a pointer leads to an earlier place than the last one did."""
        out, at, limit, end = b"", self.at, self.at, None
        while True:
            if at >= len(self.octets):
                raise Malformed("a name runs out of the message")
            n = self.octets[at]
            if n >= 0xc0:
                to = struct.unpack("!H", self.octets[at:at + 2].ljust(2, b"\0"))[0] & 0x3fff
                if plain or at + 2 > len(self.octets) or not 12 <= to < limit:
                    raise Malformed("a pointer to %d at %d" % (to, at))
                end = end or at + 2
                at = limit = to
            elif n > 63:
                raise Malformed("label type %02x" % n)
            else:
                out += self.octets[at:at + 1 + n]
                at += 1 + n
                if len(out) > 255:
                    raise Malformed("a name of more than 255 octets")
                if n == 0:
                    self.at = end or at
                    return out

    def read_record(self):
        owner = self.read_name()
        rtype, rclass, ttl, rdlength = struct.unpack("!HHIH", self.take(10))
        if rtype != OPT and ttl > 0x7fffffff:
            raise Malformed("TTL %d" % ttl)
        return Record(owner, rtype, rclass, ttl, self.take(rdlength))

    def read_opt(self, additional):
        found = [r for r in additional if r.rtype == OPT]
        if len(found) > 1 or any(r.rtype == OPT for r in self.answer + self.authority):
            raise Malformed("OPT twice or out of its place")
        self.additional = [r for r in additional if r.rtype != OPT]
        self.opt = found[0] if found else None
        self.options = {}
        self.rcode = self.flags & 15
        if not self.opt:
            return
        if self.opt.owner != b"\0":
            raise Malformed("an OPT that the root does not own")
        self.rcode |= self.opt.ttl >> 24 << 4
        self.version, self.opt_flags = self.opt.ttl >> 16 & 255, self.opt.ttl & 0xffff
        rest = self.opt.rdata
        while rest:
            if len(rest) < 4 or len(rest) - 4 < struct.unpack("!H", rest[2:4])[0]:
                raise Malformed("an option list that does not fill its OPT")
            code, n = struct.unpack("!HH", rest[:4])
            if code in self.options:
                raise Malformed("option %d twice" % code)
            self.options[code], rest = rest[4:4 + n], rest[4 + n:]

    def rrsets(self, section):
        """{(owner in lower case, type): [RDATA...]} with every record once and one TTL a set."""
        sets, ttls = {}, {}
        for r in section:
            key = (r.owner.lower(), r.rtype)
            if ttls.setdefault(key, r.ttl) != r.ttl:
                raise Malformed("two TTLs in one set")
            if r.rdata in sets.setdefault(key, []):
                raise Malformed("a record twice")
            sets[key].append(r.rdata)
        return sets


def check_copies(asked, got):
    """What every answer copies from the question, and what it must not (RFC 1035 §4.1.1, RFC 6840 §5.7-5.9)."""
    number, flags = struct.unpack("!HH", asked[:4])
    if got.number != number:
        raise Malformed("ID %04x, asked with %04x" % (got.number, number))
    if not got.flags & QR:
        raise Malformed("QR=0")
    for bits, text in ((0x7800, "opcode"), (RD, "RD"), (CD, "CD")):
        if got.flags & bits != flags & bits:
            raise Malformed("%s not copied: %04x of %04x" % (text, got.flags, flags))
    for bits, text in ((RA, "RA"), (Z, "Z"), (AD, "AD")):
        if got.flags & bits:
            raise Malformed("%s=1" % text)
    if got.question is not None and asked[12:12 + len(got.question)] != got.question:
        raise Malformed("another question: %r" % got.question)
    if got.opt:
        if got.version != 0 or got.opt_flags & ~DO:
            raise Malformed("EDNS version %d flags %04x" % (got.version, got.opt_flags))
    for section in (got.answer, got.authority, got.additional):
        got.rrsets(section)
