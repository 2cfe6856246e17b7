"""What the tables of hostile packets are made of; hostile.py says how a row reads."""

import collections

import wire

ZONE = "gslb.example"
APEX = wire.name(ZONE)
WWW = wire.name("www." + ZONE)
LONG = wire.name("long." + ZONE)
GOOD = "NOERROR aa address"  # the plain answer to WWW A
WHOLE = wire.header() + wire.question(WWW)

Row = collections.namedtuple("Row", "phrase section packet udp tcp")
Stream = collections.namedtuple("Stream", "phrase section segments answers closed")


class Table(list):
    def row(self, phrase, section, packet, udp, tcp=None):
        self.append(Row(phrase, section, packet, udp, tcp or udp))


def query(flags=0, qname=WWW, qtype=wire.A, qclass=wire.IN):
    return wire.header(flags) + wire.question(qname, qtype, qclass)


def edns(*options, qname=WWW, qtype=wire.A, qclass=wire.IN, **of_opt):
    """A query with an OPT; of_opt is what wire.opt takes."""
    return wire.header(ar=1) + wire.question(qname, qtype, qclass) + wire.opt(b"".join(options), **of_opt)
