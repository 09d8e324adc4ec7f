/// A difference that is understood: how often it occurs in which capture, and why. One that no longer occurs must go.
struct Explained {
    let capture: String
    let difference: Difference
    let count: Int
    let reason: String

    init(_ capture: String, _ difference: Difference, _ count: Int, _ reason: String) {
        (self.capture, self.difference, self.count, self.reason) = (capture, difference, count, reason)
    }

    static let all: [Explained] = [
        Explained(
            "calmh-ipfix/_extracted.pcap", .missing, 1,
            """
            Frame 8: the exporter writes a string's length as 255 and three octets where RFC 7011 §7 has two, so the \
            rest of the set can't be told apart. The decoder gives up the set; the analyser makes one record of the \
            middle of the string before it does.
            """),
        Explained(
            "goflow/_extracted.pcap", .missing, 6,
            """
            Frame 4: each sample's switch record says it has 6 octets and has 16. The decoder takes lengths at their \
            word, finds no packet header behind it and counts the samples as undecodable; the analyser knows the \
            record's size and finds the header, whose IP version it then calls bogus: no addresses in either.
            """),
        Explained(
            "logstash-codec-netflow/_pcap/IPFIX.pcap", .field(.start), 2,
            "A start of 0 ms after the exporter's start is that moment; the analyser shows a 0 as the year 1970."),
        Explained(
            "logstash-codec-netflow/_pcap/Netflow-9-multiple-netflow-exporters.pcap", .field(.start), 1,
            "A start of 0 ms after the exporter's start is that moment; the analyser shows a 0 as the year 1970."),
        Explained(
            "logstash-codec-netflow/_pcap/Netflow-5-invalid-01.pcap", .field(.start), 4,
            """
            The records are invented: three begin after they end, one lasts nine days. The decoder clamps such times \
            and says so in the record; the analyser shows them as they came.
            """),
        Explained(
            "logstash-codec-netflow/_pcap/Netflow-5-invalid-02.pcap", .field(.start), 4,
            "As in the capture above: three begin after they end, one lasts 24 days."),
        Explained(
            "logstash-codec-netflow/*.dat", .field(.start), 11,
            """
            The three records of the entries on a start of 0 ms, and the eight of the two captures above, as the same \
            datagrams are among the files.
            """),
        Explained(
            "logstash-codec-netflow/_pcap/Netflow-9-Cisco-ASA-2.pcap", .field(.octets), 7,
            """
            Seven connections were told in an update (event 5) before their end (event 2), whose total is the same \
            once more. The decoder counts at the end what the updates didn't tell: nothing here.
            """),
        Explained(
            "logstash-codec-netflow/_pcap/Netflow-9-Cisco-ASA-2.pcap", .extra, 8,
            """
            The responder's octets (232) make a record of their own, ends exchanged: of seven updates, and of the one \
            connection whose end nothing was told before. The analyser has one record with both counters.
            """),
        Explained(
            "logstash-codec-netflow/*.dat", .field(.octets), 7,
            "The seven records of the entry above, as the same datagrams are among the files."),
        Explained(
            "logstash-codec-netflow/_pcap/Netflow-9-H3C.pcap", .extra, 15,
            """
            Frame 2: the template has an IPv4 element (43, ipv4RouterSc) of 2 octets. The analyser stops the whole \
            datagram there, in the first of 16 records; the decoder passes over that field alone.
            """),
        Explained(
            "logstash-codec-netflow/_pcap/Netflow-9-invalid-01.pcap", .extra, 2,
            """
            The header counts 2 and there are 4 sets. The analyser stops after as many sets as the header counts; the \
            count is of records (RFC 3954 §5.1), often wrong, and the datagram's length is what holds.
            """),
        Explained(
            "logstash-codec-netflow/*.dat", .extra, 25,
            "The 15 and 2 records of the two entries above, and the firewall's 8: the same datagrams are here."),
        Explained(
            "logstash-codec-netflow/_pcap/IPFIX-YAF-basic-with-applabel.pcap", .field(.tcpFlags), 2,
            """
            The exporter has TCP flags in elements of its own (PEN 6871, 14 and 15, and their reverses), which the \
            analyser shows as octets.
            """),
        Explained(
            "logstash-codec-netflow/*.dat", .field(.tcpFlags), 2,
            "The two records of the entry above, as the same datagrams are among the files."),
        Explained(
            "python-netflow/_extracted.pcap", .field(.start), 3,
            """
            Frame 6: data of one test and templates of another, so that the values mean nothing. Two spans of 46 days, \
            which no flow has, are clamped to a week and marked; one start of 0 ms after the exporter's start, which \
            the analyser shows as the year 1970.
            """),
        Explained(
            "netflow_parser/_extracted.pcap", .extra, 5,
            """
            Frame 51: five connections whose responder had counted something. Its counters make a record of their own, \
            ends exchanged; the analyser has one record with both.
            """),
        Explained(
            "vflow/_extracted.pcap", .extra, 2,
            """
            Frame 3: the exporter pads each options template to 4 octets. The analyser reads the padding as the start \
            of a template of 512 fields, runs past the datagram's end and never gets to the data set behind.
            """),
    ]
}
