"""What only TCP can do wrong: the two length octets, pieces of frames, and ends in the middle of one.

A stream is written segment by segment, each sent by itself. `answers` says of which of the frames an
answer must come (in any order, RFC 7766 §6.2.1.1), by their numbers; `closed`: whether the server ends
the connection by itself. "end" as a segment shuts down our side.
"""

import struct

import wire
from row import WWW, Stream


def frame(number, qname=WWW, flags=0):
    message = wire.header(flags, number=number) + wire.question(qname)
    return struct.pack("!H", len(message)) + message


def framed(message):
    return struct.pack("!H", len(message)) + message


ONE = frame(1)
END = "end"
STREAMS = [
    Stream("a frame of length 0", "RFC 7766 §8", [b"\0\0"], [], True),
    Stream("a frame of length 0 behind a good query", "RFC 7766 §8", [ONE + b"\0\0"], [1], True),
    Stream("a frame of length 0 before a good query", "RFC 7766 §8", [b"\0\0" + ONE], [], True),
    Stream("forty frames of length 0", "RFC 7766 §8", [b"\0\0" * 40], [], True),
    Stream("a frame of length 1 and a good query", "RFC 7766 §8", [b"\0\1\0" + ONE], [1], False),
    Stream("a frame of 11 octets and a good query", "RFC 7766 §8", [framed(bytes(11)) + ONE], [1], False),
    Stream("an answer and a good query", "RFC 7766 §8", [frame(2, flags=wire.QR) + ONE], [1], False),
    Stream("one octet and the end", "RFC 7766 §8", [b"\0", END], [], True),
    Stream("a length and the end", "RFC 7766 §8", [b"\0\x22", END], [], True),
    Stream("half a frame and the end", "RFC 7766 §8", [ONE[:20], END], [], True),
    Stream("a good query, half a frame and the end", "RFC 7766 §8", [ONE + frame(2)[:20], END], [1], True),
    Stream("a length of 65535, a hundred octets and the end", "RFC 7766 §8", [b"\xff\xff" + bytes(100), END], [], True),
    Stream("a length that is one too many, and the end", "RFC 7766 §8",
           [struct.pack("!H", len(ONE) - 1) + ONE[2:], END], [], True),
    Stream("a good query and the end", "RFC 7766 §8", [ONE, END], [1], True),
    Stream("nothing and the end", "RFC 7766 §8", [END], [], True),
    Stream("two frames in one segment", "RFC 7766 §6.2.1.1", [ONE + frame(2)], [1, 2], False),
    Stream("thirty frames in one segment", "RFC 7766 §6.2.1.1", [b"".join(frame(n) for n in range(30))],
           list(range(30)), False),
    Stream("a frame in two segments", "RFC 7766 §8", [ONE[:15], ONE[15:]], [1], False),
    Stream("the length in two segments", "RFC 7766 §8", [ONE[:1], ONE[1:]], [1], False),
    Stream("the length by itself", "RFC 7766 §8", [ONE[:2], ONE[2:]], [1], False),
    Stream("a frame octet by octet", "RFC 7766 §8", [ONE[n:n + 1] for n in range(len(ONE))], [1], False),
    Stream("one frame and a half, and the other half", "RFC 7766 §8", [ONE + frame(2)[:9], frame(2)[9:]], [1, 2], False),
    Stream("a frame of 65535 octets whose question is good", "RFC 7766 §8",
           [framed((ONE[2:] + bytes(65535))[:65535])], [1], False),
    Stream("a frame of 65535 octets of noise and a good query", "RFC 7766 §8",
           [framed(b"\x12\x34" + b"\0" * 65533) + ONE], [0x1234, 1], False),
    Stream("an HTTP request", "RFC 7766 §8", [b"GET / HTTP/1.1\r\nHost: www.gslb.example\r\n\r\n", END], [], True),
    Stream("a TLS greeting", "RFC 7766 §8", [bytes.fromhex("16030100c8010000c40303") + bytes(40), END], [], True),
    Stream("a keepalive, and the connection goes on", "RFC 7828 §3.3.1",
           [framed(wire.header(number=1, ar=1) + wire.question(WWW) + wire.opt(wire.option(wire.KEEPALIVE))), frame(2)],
           [1, 2], False),
]
