"""Checks what the DNS server answers, line by line against its zone.

    PYTHONPATH=.deps/demo python3 -m unittest discover bindings/python/examples
"""
import os
import random
import unittest

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode

from authority import Authority

ZONE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "zones", "example.org.zone")
NEGATIVE = ["example.org. 300 IN SOA ns1.example.org. hostmaster.example.org. 2024060301 7200 1800 1209600 300"]
AA, TC = dns.flags.AA, dns.flags.TC
RCODE = 15  # the low bits of the flags hold the response code


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.answer = staticmethod(Authority(ZONE).answer)

    def ask(self, name, rdtype="A", **options):
        query = dns.message.make_query(name, rdtype, **options)
        reply = dns.message.from_wire(self.answer(query.to_wire()))
        self.assertTrue(query.is_response(reply))
        return reply

    def expect(self, reply, answer=(), authority=(), additional=(), rcode=dns.rcode.NOERROR, flags=AA):
        for section, lines in ((reply.answer, answer), (reply.authority, authority), (reply.additional, additional)):
            self.assertEqual(sorted(line for rrset in section for line in rrset.to_text().split("\n")), sorted(lines))
        self.assertEqual(dns.rcode.to_text(reply.rcode()), dns.rcode.to_text(rcode))
        self.assertEqual(reply.flags & ~RCODE, flags | dns.flags.QR | dns.flags.RD)

    def test_records_of_a_name(self):
        self.expect(self.ask("cdn.example.org"),
                    ["cdn.example.org. 60 IN A 203.0.113.20", "cdn.example.org. 60 IN A 203.0.113.21"])
        self.expect(self.ask("_imaps._tcp.example.org", "SRV"),
                    ["_imaps._tcp.example.org. 3600 IN SRV 0 1 993 imap.example.org."])
        self.expect(self.ask("_dmarc.example.org", "TXT"), [
            '_dmarc.example.org. 3600 IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.org; adkim=s; aspf=s"'])

    def test_every_record_of_the_zone(self):
        zone = Authority(ZONE).zone
        for name, rdataset in zone.iterate_rdatasets():
            if name.is_subdomain(dns.name.from_text("lab.example.org")):
                continue
            wire = self.answer(dns.message.make_query(name, rdataset.rdtype, payload=65535).to_wire())
            reply = dns.message.from_wire(wire)
            if not reply.flags & TC:
                self.assertEqual(set(reply.answer[0]), set(rdataset), name)

    def test_any(self):
        self.expect(self.ask("api.example.org", "ANY"),
                    ["api.example.org. 300 IN A 192.0.2.90", "api.example.org. 300 IN AAAA 2001:db8:80::90"])

    def test_capitals_come_back_as_they_were(self):
        self.expect(self.ask("TiMe.eXample.ORG"), ["TiMe.eXample.ORG. 3600 IN A 192.0.2.123"])

    def test_name_without_that_type(self):
        self.expect(self.ask("chat.example.org", "MX"), authority=NEGATIVE)

    def test_empty_name_above_others(self):
        self.expect(self.ask("corp.example.org"), authority=NEGATIVE)

    def test_no_such_name(self):
        for name in "nobody.example.org", "a.b.c.example.org", "nobody.corp.example.org", "x.status.sites.example.org":
            self.expect(self.ask(name), authority=NEGATIVE, rcode=dns.rcode.NXDOMAIN)

    def test_alias_inside_the_zone(self):
        self.expect(self.ask("shop.example.org", "AAAA"), [
            "shop.example.org. 3600 IN CNAME www.example.org.", "www.example.org. 3600 IN CNAME web.example.org.",
            "web.example.org. 3600 IN AAAA 2001:db8:80::80", "web.example.org. 3600 IN AAAA 2001:db8:80::81"])
        self.expect(self.ask("shop.example.org", "CNAME"), ["shop.example.org. 3600 IN CNAME www.example.org."])

    def test_alias_to_a_name_without_that_type(self):
        self.expect(self.ask("static.example.org", "MX"),
                    ["static.example.org. 3600 IN CNAME cdn.example.org."], NEGATIVE)

    def test_alias_to_nothing(self):
        self.expect(self.ask("old.example.org"), ["old.example.org. 3600 IN CNAME retired.example.org."], NEGATIVE,
                    rcode=dns.rcode.NXDOMAIN)

    def test_alias_out_of_the_zone(self):
        self.expect(self.ask("blog.example.org"), ["blog.example.org. 3600 IN CNAME pages.example.net."])

    def test_wildcard(self):
        self.expect(self.ask("any.body.sites.example.org"), ["any.body.sites.example.org. 3600 IN A 203.0.113.80"])
        self.expect(self.ask("anybody.sites.example.org", "TXT"), authority=NEGATIVE)
        self.expect(self.ask("status.sites.example.org", "A"), ["status.sites.example.org. 3600 IN A 203.0.113.81"])
        self.expect(self.ask("status.sites.example.org", "MX"), authority=NEGATIVE)
        self.expect(self.ask("my.pages.example.org", "CNAME"), ["my.pages.example.org. 3600 IN CNAME web.example.org."])

    def test_referral(self):
        servers = ["lab.example.org. 3600 IN NS ns.example.net.", "lab.example.org. 3600 IN NS ns1.lab.example.org."]
        glue = ["ns1.lab.example.org. 3600 IN A 198.51.100.153", "ns1.lab.example.org. 3600 IN AAAA 2001:db8:53::153"]
        for name in "lab.example.org", "x.lab.example.org", "ns1.lab.example.org":
            self.expect(self.ask(name), [], servers, glue, flags=0)
        self.expect(self.ask("lab.example.org", "DS"), authority=NEGATIVE)

    def test_outside_the_zone(self):
        for name in "example.net", "org", ".", "badexample.org":
            self.expect(self.ask(name), rcode=dns.rcode.REFUSED, flags=0)
        self.expect(self.ask("example.org", "TXT", rdclass="CH"), rcode=dns.rcode.REFUSED, flags=0)

    def test_edns_only_where_asked(self):
        self.assertEqual(self.ask("api.example.org").edns, -1)
        reply = self.ask("api.example.org", use_edns=0, payload=4096)
        self.assertEqual((reply.edns, reply.payload), (0, 1232))
        self.expect(self.ask("api.example.org", use_edns=1), rcode=dns.rcode.BADVERS, flags=0)

    def test_too_large_for_the_client(self):
        for name, rdtype, options in (("keys", "TXT", {}), ("keys", "TXT", {"payload": 600}),
                                      ("keys", "TXT", {"payload": 10}), ("pool", "AAAA", {"payload": 4096})):
            query = dns.message.make_query(name + ".example.org", rdtype, **options)
            wire = self.answer(query.to_wire())
            self.assertLessEqual(len(wire), max(512, options.get("payload", 0)))
            self.expect(dns.message.from_wire(wire), flags=AA | TC)
        self.assertEqual(len(self.ask("keys.example.org", "TXT", payload=1232).answer[0]), 8)

    def test_other_opcodes(self):
        for opcode in dns.opcode.IQUERY, dns.opcode.STATUS, dns.opcode.NOTIFY, dns.opcode.UPDATE, 6, 15:
            query = dns.message.make_query("example.org", "SOA")
            query.set_opcode(opcode)
            reply = dns.message.from_wire(self.answer(query.to_wire()))
            self.assertEqual((reply.id, reply.opcode(), reply.rcode()), (query.id, opcode, dns.rcode.NOTIMP))

    def test_zone_transfers(self):
        for rdtype in "AXFR", "IXFR":
            self.expect(self.ask("example.org", rdtype), rcode=dns.rcode.NOTIMP, flags=0)

    def test_garbage(self):
        query = dns.message.make_query("api.example.org", "A", use_edns=0).to_wire()
        for wire in query + b"junk", query[:-1], query[:20]:
            self.assertEqual(dns.message.from_wire(self.answer(wire)).rcode(), dns.rcode.FORMERR)
        for rest in b"", b"garbage", b"\x07example\x03org", b"\xc0\x0c\0\1\0\1":
            reply = dns.message.from_wire(self.answer(b"\xab\xcd\1\0\0\1\0\0\0\0\0\0" + rest))
            self.assertEqual((reply.id, reply.rcode()), (0xABCD, dns.rcode.FORMERR))
        self.assertEqual(self.answer(b"\xab\xcd\1\0" + bytes(8))[3] & RCODE, dns.rcode.FORMERR)  # no question at all

    def test_no_answer_to_an_answer_or_less_than_a_header(self):
        query = dns.message.make_query("api.example.org", "A")
        self.assertIsNone(self.answer(dns.message.make_response(query).to_wire()))
        for size in range(12):
            self.assertIsNone(self.answer(query.to_wire()[:size]))

    def test_damaged_queries_never_raise(self):
        dice = random.Random(1)
        for _ in range(5000):
            wire = bytearray(dns.message.make_query("www.example.org", "A", use_edns=0).to_wire())
            for _ in range(dice.randrange(1, 6)):
                wire[dice.randrange(len(wire))] = dice.randrange(256)
            reply = self.answer(bytes(wire[:dice.randrange(2 * len(wire))]))
            self.assertTrue(reply is None or reply[:2] == wire[:2] and reply[2] & 0x80)

    def test_same_question_under_another_id(self):
        queries = [dns.message.make_query("web.example.org", "A", id=number) for number in (1, 2, 65535)]
        replies = [self.answer(query.to_wire()) for query in queries]
        self.assertEqual([reply[:2] for reply in replies], [b"\0\1", b"\0\2", b"\xff\xff"])
        self.assertEqual(len({reply[2:] for reply in replies}), 1)


if __name__ == "__main__":
    unittest.main()
