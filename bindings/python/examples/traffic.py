"""What the demo asks: a load of queries made from a zone, and a handful whose answers are known."""
import random

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.zone

QUERIES = 100000
OTHER_TYPES = "A", "AAAA", "MX", "TXT"

KNOWN = (  # name, type, response code, last record of the answer
    ("ns1.example.org", "A", "NOERROR", "192.0.2.53"),
    ("blog.example.org", "CNAME", "NOERROR", "pages.example.net."),
    ("anybody.sites.example.org", "MX", "NOERROR", "10 mx1.example.org."),
    ("_imaps._tcp.example.org", "SRV", "NOERROR", "0 1 993 imap.example.org."),
    ("static.example.org", "AAAA", "NOERROR", "cdn.example.org."),
    ("corp.example.org", "A", "NOERROR", None),
    ("nobody.example.org", "A", "NXDOMAIN", None),
    ("example.net", "A", "REFUSED", None),
)


def write_queries(zone_file, path):
    """Writes dnsperf's input: 90 % ask for what the zone has, 5 % for a type that the name lacks, 3 % for one of 50
    misspelt names, and 2 % for a name that nobody asked for lately, so that the server has to make the answer up."""
    zone = dns.zone.from_file(zone_file, relativize=False)
    held = [(name.to_text(), dns.rdatatype.to_text(rdataset.rdtype))
            for name, rdataset in zone.iterate_rdatasets() if not name.is_wild()]
    dice = random.Random(2)  # the same load every time
    kinds = (lambda: dice.choice(held), lambda: (dice.choice(held)[0], dice.choice(OTHER_TYPES)),
             lambda: ("ww%d.example.org." % dice.randrange(50), "A"),
             lambda: ("shop-%d.sites.example.org." % dice.randrange(10**9), "A"))
    with open(path, "w") as out:
        for kind in dice.choices(kinds, weights=(90, 5, 3, 2), k=QUERIES):
            out.write("%s %s\n" % kind())


def wrong_answers(port):
    """Asks the server at `port` what KNOWN says; a sentence for each answer that is not as it should be."""
    wrong = []
    for name, rdtype, rcode, last in KNOWN:
        try:
            reply = dns.query.udp(dns.message.make_query(name, rdtype), "127.0.0.1", port=port, timeout=5)
            got = dns.rcode.to_text(reply.rcode()), reply.answer[-1][-1].to_text() if reply.answer else None
        except dns.exception.DNSException as error:
            got = "nothing:", error
        if got != (rcode, last):
            wrong.append("%s %s: expected %s %s, got %s %s" % ((name, rdtype, rcode, last) + got))
    return wrong
