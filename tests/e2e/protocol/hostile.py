"""The hostile packets: what is sent, what must come back, and which section says so.

A row is Row(phrase, section, packet, udp, tcp). What must come back is a list of words; TCP is as UDP
where it is not said (RFC 7766 §5). "X / Y" where the sections leave both open.

    silence     no answer
    NOERROR...  the RCODE, extended by that of OPT
    bare        no question: the header, at most with an OPT. Without it the question is echoed
    opt         an OPT, and in it exactly the options that are named below; without it no OPT
    ecs cookie nsid keepalive ede:N   the option; the client subnet octet for octet, with scope 0
    do          DO is set in it
    aa tc       the bit is set; without it it is not
    address     the answer is the service's one address
    text long   the answer is the TXT record of version.bind; the long one of the zone
    zone        the answer is the zone's SOA
    soa         the authority is the SOA, and the answer is empty
    tsig:N      the last record is a TSIG without MAC and with this error
    A word with "?" may be there or not. Sections that no word fills are empty.
"""

from hostile_edns import ROWS as EDNS
from hostile_header import ROWS as HEADER
from hostile_question import ROWS as QUESTION
from hostile_records import ROWS as RECORDS
from hostile_stream import STREAMS  # noqa: F401 the reader's

ROWS = HEADER + QUESTION + RECORDS + EDNS
