/// What `--help` says. Each text begins with how the command is called, up to the first empty line.
enum Help {
    static func text(for command: String?) -> String? {
        switch command {
        case "run": run
        case "check": check
        case "health": health
        case "decode": decode
        case "import": importing
        case "dead-letters": deadLetters
        default: nil
        }
    }

    static let overview = """
        weir-sensor receives flow exports, sums them, and ships them to an aggregator. It reads NetFlow v1, v5, v7, v9,
        IPFIX (over UDP, TCP, TLS), sFlow v2, v4 and v5, and meters the packets of interfaces (listen.capture).
        usage: weir-sensor COMMAND [--help]

          run      the service
          check    validate settings and certificates, and exit
          health   ask the running sensor what works
          decode   print the flow records of a packet capture
          import   send a packet capture through the whole sensor
          dead-letters   list the batches that no aggregator took, or have them sent again
          --version

        Examples:
          weir-sensor check --config /etc/weir/sensor.yaml
          weir-sensor run --config /etc/weir/sensor.yaml
          weir-sensor decode capture.pcap

        Exit codes: 0 done, 1 the work failed, 2 the command line or a setting is wrong.

        """

    static let run = """
        usage: weir-sensor run --config FILE [--set KEY=VALUE]...

        Receives, sums, spools and ships until SIGTERM or SIGINT; then it spools what is open, tries to ship for
        stop.drain, and exits 0. A second SIGINT ends it at once; nothing that is spooled is lost. SIGHUP reads the
        settings again: other listen addresses and log.level take effect at once, without losing a datagram.
        Certificates are followed by themselves.
        Sockets that systemd holds (weir-sensor.socket) are taken instead of opening ports.

          --config FILE     settings (see deploy/examples/sensor.yaml)
          --set KEY=VALUE   overrides a setting, also the environment's (WEIR_SPOOL_BYTES_MAX for spool.bytesMax)

        Examples:
          weir-sensor run --config /etc/weir/sensor.yaml
          weir-sensor run --config sensor.yaml --set 'listen.addresses=[0.0.0.0:9995]' --set log.level=debug

        """

    static let deadLetters = """
        usage: weir-sensor dead-letters --config FILE [--set KEY=VALUE]... [resend NAME... | resend all]

        Lists the batches that aggregators have refused, one JSON object a line with the reason, or has some sent again:
        once what they were refused for is mended. A running sensor takes them up within seconds, another at its next
        start. A batch keeps its key, EPOCH-SEQUENCE, which is its NAME here, unless that key was taken by others.

        Examples:
          weir-sensor dead-letters --config /etc/weir/sensor.yaml
          weir-sensor dead-letters --config /etc/weir/sensor.yaml resend all

        """

    static let check = """
        usage: weir-sensor check --config FILE [--set KEY=VALUE]...

        Reads the settings and the files that they name (certificates of shipping and of listen.tls, decode.elements)
        as `run` would, opens no port, and exits: 0 when all are sound, 2 with the key, the value and what is allowed
        when not.

        Example:
          weir-sensor check --config /etc/weir/sensor.yaml

        """

    static let health = """
        usage: weir-sensor health --config FILE [--set KEY=VALUE]...

        Asks the sensor that runs with these settings, at metrics.listen, and prints a line for each thing that it
        needs: [+] works, [~] does not and the sensor goes on, [-] does not. Exits 0 when the intake works, 1 when not.

        Example:
          weir-sensor health --config /etc/weir/sensor.yaml

        """

    static let decode = """
        usage: weir-sensor decode [--format ndjson|table|csv|summary] [--elements FILE] FILE...

        Prints the flow records that exporters sent, from packet captures (pcap, pcapng; - is standard input). Keys are
        names of IPFIX information elements. Needs no settings.

          --format ndjson    one JSON object a line, with all that the exporter sent (the default in a pipe)
          --format table     columns for people, the most important ones (the default on a terminal)
          --format csv       with a header line; fixed columns, without the elements that have none
          --format summary   one JSON object: counts by protocol, exporter, template (with its fields) and loss reason
          --elements FILE    names and types of further elements: YAML, or lines of enterprise,id,name,type in a .csv;
                             an element without a name prints as e<enterprise>id<number>, in hexadecimal

        Examples:
          weir-sensor decode router.pcap
          weir-sensor decode --format ndjson router.pcap | jq 'select(.destinationTransportPort == 22)'
          weir-sensor decode --format summary asa.pcap | jq -r '.templates[] | "\\(.id) \\(.records)"'
          tcpdump -w - udp port 2055 | weir-sensor decode --format summary -

        """

    static let importing = """
        usage: weir-sensor import --config FILE [--set KEY=VALUE]... CAPTURE...

        Sends captures (pcap, pcapng) through the whole sensor with their own times, in the order given, and exits when
        an aggregator has answered for every batch: 0. When some batch is refused: 1. SIGINT leaves what is not
        answered for in the spool: 1. Don't run it on the spool directory of a running sensor.

        Example:
          weir-sensor import --config sensor.yaml --set spool.directory=/tmp/import monday.pcap tuesday.pcap

        """
}
