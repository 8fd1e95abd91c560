"""The answers of an authoritative DNS server for one zone, from bytes to bytes; no sockets here."""
import functools

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

PLAIN_SIZE = 512        # bytes that a client without EDNS takes (RFC 1035)
LARGEST = 1232          # bytes we send at most: nothing is fragmented on the way (DNS flag day 2020)
KEPT_ANSWERS = 1024
ANY = dns.rdatatype.ANY
WILDCARD = dns.name.Name(("*",))


class Authority:
    """Answers queries about the zone in the master file (RFC 1035) `zone_file`. Knows neither DNAME nor DNSSEC."""

    def __init__(self, zone_file):
        self.zone = dns.zone.from_file(zone_file, relativize=False)
        self.origin = self.zone.origin
        self.soa = self._negative_soa()
        # A name exists if it or anything below it has records (RFC 4592, 2.2.2).
        self.nodes = {name: self.zone.get_node(name) or dns.node.Node()
                      for owner in self.zone for name in self._up_to_origin(owner)}
        self.cuts = {name for name in self.zone if name != self.origin and self._records(name, dns.rdatatype.NS)}
        self._reply = functools.lru_cache(KEPT_ANSWERS)(self._make_reply)

    def answer(self, wire):
        """The reply to the datagram `wire`, or None for one that deserves none.

        Replies are kept without their first two bytes, the query's id: the same question again costs one look-up.
        """
        reply = self._reply(wire[2:])
        return reply and wire[:2] + reply

    def _make_reply(self, wire):
        try:
            query = dns.message.from_wire(b"\0\0" + wire, continue_on_error=True)
        except dns.exception.DNSException:  # no whole header: there is nobody to answer
            return None
        if query.flags & dns.flags.QR:  # answering answers would let two servers talk for ever
            return None
        size = min(max(query.payload, PLAIN_SIZE), LARGEST)
        return self._respond(query).to_wire(max_size=size, prefer_truncation=True)[2:]

    def _respond(self, query):
        """The response message: complaints about the query first, then what the zone says."""
        if query.opcode() != dns.opcode.QUERY:
            return _refusal(query, dns.rcode.NOTIMP)
        if query.errors or len(query.question) != 1:
            return _refusal(query, dns.rcode.FORMERR)
        response = dns.message.make_response(query, our_payload=LARGEST)
        question = query.question[0]
        if query.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        elif question.rdtype != ANY and dns.rdatatype.is_metatype(question.rdtype):  # zone transfers among them
            response.set_rcode(dns.rcode.NOTIMP)
        elif question.rdclass != dns.rdataclass.IN or not question.name.is_subdomain(self.origin):
            response.set_rcode(dns.rcode.REFUSED)
        else:
            response.flags |= dns.flags.AA
            self._look_up(question.name, question.rdtype, response)
        return response

    def _look_up(self, name, rdtype, response):
        """Follows `name` through the zone (RFC 1034, 4.3.2), from alias to alias while they stay inside."""
        seen = set()
        while name.is_subdomain(self.origin) and name not in seen:
            seen.add(name)
            path = self._up_to_origin(name)
            cut = next((ancestor for ancestor in reversed(path) if ancestor in self.cuts), None)
            if cut and (name, rdtype) != (cut, dns.rdatatype.DS):  # DS records live above the cut
                return self._refer(cut, response)
            node = self._node(path)
            if node is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                return response.authority.append(self.soa)
            alias = node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.CNAME)
            if alias is None or rdtype in (dns.rdatatype.CNAME, ANY):
                found = [_rrset(name, rdataset) for rdataset in node if rdtype in (rdataset.rdtype, ANY)]
                response.answer += found
                return found or response.authority.append(self.soa)
            response.answer.append(_rrset(name, alias))
            name = alias[0].target

    def _node(self, path):
        """The records at path[0], or of the wildcard that covers it (RFC 4592); None if there is no such name."""
        closest = next(name for name in path if name in self.nodes)
        return self.nodes.get(closest if closest == path[0] else WILDCARD + closest)

    def _refer(self, cut, response):
        """Points to the servers of the zone that begins at `cut`, with their addresses where we hold them."""
        if not response.answer:
            response.flags &= ~dns.flags.AA
        servers = self._records(cut, dns.rdatatype.NS)
        response.authority.append(_rrset(cut, servers))
        addresses = ((server.target, self._records(server.target, rdtype))
                     for server in servers for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA))
        response.additional += [_rrset(name, rdataset) for name, rdataset in addresses if rdataset]

    def _negative_soa(self):
        """The SOA record as it goes with a "no": its TTL is how long the "no" may be kept (RFC 2308)."""
        soa = self._records(self.origin, dns.rdatatype.SOA)
        return dns.rrset.from_rdata(self.origin, min(soa.ttl, soa[0].minimum), soa[0])

    def _records(self, name, rdtype):
        node = self.zone.get_node(name) if name.is_subdomain(self.origin) else None
        return node and node.get_rdataset(dns.rdataclass.IN, rdtype)

    def _up_to_origin(self, name):
        """[name, its parent, …, the origin]."""
        path = [name]
        while path[-1] != self.origin:
            path.append(path[-1].parent())
        return path


def _rrset(name, rdataset):
    return dns.rrset.from_rdata_list(name, rdataset.ttl, rdataset)


def _refusal(query, rcode):
    """A reply of a header alone, for a query whose rest could not be read or does not matter."""
    response = dns.message.Message(id=query.id)
    response.flags = dns.flags.QR | query.flags & dns.flags.RD
    response.set_opcode(query.opcode())
    response.set_rcode(rcode)
    return response
