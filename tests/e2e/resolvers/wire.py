"""What goes over the loopback interface, recorded with the kernel's times: what resolvers really send."""

import contextlib
import socket
import struct
import threading

import dns.edns
import dns.flags
import dns.message
import dns.rdatatype

ETH_P_IP, SOL_PACKET, PACKET_STATISTICS, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 0x0800, 263, 6, 35, 33
COOKIE, SUBNET = 10, 8


class Message:
    """One DNS message as it was seen."""

    def __init__(self, at, src, sport, dst, dport, tcp, wire):
        self.at, self.src, self.sport, self.dst, self.dport, self.tcp, self.wire = at, src, sport, dst, dport, tcp, wire
        self._parsed = None

    @property
    def dns(self):
        if self._parsed is None:
            self._parsed = dns.message.from_wire(self.wire, ignore_trailing=True)
        return self._parsed

    @property
    def id(self):
        return struct.unpack("!H", self.wire[:2])[0]

    @property
    def is_query(self):
        return not self.wire[2] & 0x80

    @property
    def truncated(self):
        return bool(self.wire[2] & 2)

    @property
    def name(self):
        """The question's name in the case that was sent, without the last dot."""
        return self.dns.question[0].name.to_text(omit_final_dot=True)

    @property
    def type(self):
        return dns.rdatatype.to_text(self.dns.question[0].rdtype)

    @property
    def key(self):
        return self.name.lower(), self.type

    def option(self, number):
        """The first EDNS option with this number, in wire form, or None."""
        for option in self.dns.options:
            if option.otype == number:
                return option.to_wire()
        return None

    def data(self):
        """RCODE and the answer's records but for TTL and order."""
        records = [(str(s.name).lower(), s.rdtype, r.to_text()) for s in self.dns.answer for r in s]
        return self.dns.rcode(), sorted(records)

    def ttl(self):
        """The TTL of the first record of the answer; of a negative one, that of the SOA."""
        for rrset in self.dns.answer or self.dns.authority:
            return rrset.ttl
        return None

    def __repr__(self):
        return "%.3f %s -> %s %s %s" % (self.at, self.src, self.dst, "?" if self.is_query else "=", self.key)


class Recorder:
    """Keeps every DNS message on port 53 of some addresses, from its start until close()."""

    def __init__(self, addresses):
        self.addresses, self.messages, self.lock = set(addresses), [], threading.Lock()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE):  # the second is not for everybody
            with contextlib.suppress(PermissionError):
                self.socket.setsockopt(socket.SOL_SOCKET, option, 64 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.settimeout(0.2)
        self.socket.bind(("lo", ETH_P_IP))
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        """Ends it; nothing must have been lost."""
        self.settle()
        self.ended = True
        self.thread.join()
        seen, lost = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.socket.close()
        assert seen and not lost, "%d packets recorded, %d lost" % (seen, lost)

    def settle(self):
        """Returns when what was sent before it was called has been recorded."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
            here.bind(("127.0.0.1", 0))
            self._mark = threading.Event()
            self._port = here.getsockname()[1]
            here.sendto(b"mark", here.getsockname())
            assert self._mark.wait(20), "the recorder stands still"

    def since(self, n=0):
        """In the order in which they were sent: the kernel hands a packet to its receiver before it hands it to a
        recorder that is bound to one device, so that a quick answer may be recorded before its query."""
        with self.lock:
            return sorted(self.messages[n:], key=lambda m: m.at)

    def count(self):
        self.settle()
        with self.lock:
            return len(self.messages)

    def _run(self):
        while not self.ended:
            try:
                packet, control, _, _ = self.socket.recvmsg(65536, 256)
            except socket.timeout:
                continue
            at = next(struct.unpack("qq", data[:16]) for level, kind, data in control
                      if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS))
            self._packet(at[0] + at[1] / 1e9, packet)

    def _packet(self, at, packet):
        begin = (packet[0] & 15) * 4
        src, dst = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        sport, dport = struct.unpack("!HH", packet[begin:begin + 4])
        if packet[9] == socket.IPPROTO_UDP:
            wire, tcp = packet[begin + 8:], False
            if wire == b"mark" and dport == getattr(self, "_port", None):
                self._mark.set()
        elif packet[9] == socket.IPPROTO_TCP:
            wire, tcp = packet[begin + (packet[begin + 12] >> 4) * 4:], True
            if len(wire) < 14 or struct.unpack("!H", wire[:2])[0] != len(wire) - 2:
                return  # no data, or a part of a message: nobody here sends one in parts
            wire = wire[2:]
        else:
            return
        if (src in self.addresses or dst in self.addresses) and 53 in (sport, dport) and len(wire) >= 12:
            with self.lock:
                self.messages.append(Message(at, src, sport, dst, dport, tcp, wire))
