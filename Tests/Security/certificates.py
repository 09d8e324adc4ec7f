"""S1, S2: who may come in, and how strong the doors are."""
import json
import os
import ssl
import subprocess
import sys
import time

import http2
from world import Skip, demand

SENSOR = "URI:spiffe://weir.test/tenant/acme/site/hq/sensor/edge1"
GOOD = {"basicConstraints": "critical,CA:FALSE", "keyUsage": "critical,digitalSignature",
        "extendedKeyUsage": "serverAuth,clientAuth", "subjectAltName": SENSOR}
DAY = 86400


def uri(rest):
    return "URI:spiffe://" + rest


# What it is, and what of a good leaf is otherwise: extensions (None: without), times, key, authority, subject.
LEAVES = [
    ("no names", {"subjectAltName": None}),
    ("a DNS name only", {"subjectAltName": "DNS:edge1"}),
    ("two URI names", {"subjectAltName": SENSOR + ",URI:spiffe://weir.test/tenant/globex/site/hq/sensor/edge1"}),
    ("the same URI name twice", {"subjectAltName": SENSOR + "," + SENSOR}),
    ("https for spiffe", {"subjectAltName": "URI:https://weir.test/tenant/acme/site/hq/sensor/edge1"}),
    ("SPIFFE in capitals", {"subjectAltName": "URI:SPIFFE://weir.test/tenant/acme/site/hq/sensor/edge1"}),
    ("another trust domain", {"subjectAltName": uri("evil.test/tenant/acme/site/hq/sensor/edge1")}),
    ("a trust domain that begins like ours", {"subjectAltName": uri("weir.test.evil/tenant/acme/site/hq/sensor/edge1")}),
    ("the trust domain in capitals", {"subjectAltName": uri("WEIR.test/tenant/acme/site/hq/sensor/edge1")}),
    ("the tenant in capitals", {"subjectAltName": uri("weir.test/tenant/ACME/site/hq/sensor/edge1")}),
    ("a percent sign", {"subjectAltName": uri("weir.test/tenant/ac%2eme/site/hq/sensor/edge1")}),
    ("dots for a site", {"subjectAltName": uri("weir.test/tenant/acme/site/../sensor/edge1")}),
    ("a slash at the end", {"subjectAltName": SENSOR + "/"}),
    ("two slashes", {"subjectAltName": uri("weir.test/tenant//acme/site/hq/sensor/edge1")}),
    ("the root path", {"subjectAltName": uri("weir.test")}),
    ("the root path with its slash", {"subjectAltName": uri("weir.test/")}),
    ("a port", {"subjectAltName": uri("weir.test:443/tenant/acme/site/hq/sensor/edge1")}),
    ("a user", {"subjectAltName": uri("root@weir.test/tenant/acme/site/hq/sensor/edge1")}),
    ("a query", {"subjectAltName": SENSOR + "?tenant=globex"}),
    ("a fragment", {"subjectAltName": SENSOR + "\\#globex"}),
    ("a space", {"subjectAltName": SENSOR + " x"}),
    ("more than 2,048 octets", {"subjectAltName": uri("weir.test/tenant/acme/site/hq/sensor/" + "a" * 2048)}),
    ("an aggregator's name", {"subjectAltName": uri("weir.test/aggregator/node1")}),
    ("a path of another shape", {"subjectAltName": uri("weir.test/ns/default/sa/acme")}),
    ("an authority's", {"basicConstraints": "critical,CA:TRUE"}),
    ("may sign certificates", {"keyUsage": "critical,digitalSignature,keyCertSign"}),
    ("may sign revocation lists", {"keyUsage": "critical,digitalSignature,cRLSign"}),
    ("no key usage", {"keyUsage": None}),
    ("may not sign", {"keyUsage": "critical,keyEncipherment"}),
    ("for servers only", {"extendedKeyUsage": "serverAuth"}),
    ("for mail", {"extendedKeyUsage": "emailProtection"}),
    ("expired", {"from": -2 * DAY, "to": -60}),
    ("not yet valid", {"from": 3600, "to": DAY}),
    ("RSA of 1,024 bits", {"key": ["rsa", "-pkeyopt", "rsa_keygen_bits:1024"]}),
    ("signed with SHA-1", {"digest": "sha1"}),
    ("another authority of the same name", {"authority": "other"}),
    ("by itself", {"authority": "itself"}),
    ("by a sensor's key", {"authority": "sensor"}),
]


class Authority:
    """Signs whatever it is told to, with the world's own root or another."""

    def __init__(self, world):
        self.world, self.folder = world, world.path("bad")
        os.makedirs(self.folder)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "other.key",
                     "-out", "other.pem", "-days", "2", "-subj", "/O=Weir development/CN=weir.test root")

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True)
        demand(done.returncode == 0, "openssl %s: %s" % (arguments[0], done.stderr))

    def leaf(self, number, what):
        """The path of a certificate and its key, without their endings."""
        name, extensions = "leaf%d" % number, dict(GOOD)
        extensions.update({key: value for key, value in what.items() if key in GOOD})
        key = what.get("key", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        self.openssl("genpkey", "-algorithm", *key, "-out", name + ".key")
        self.openssl("req", "-new", "-key", name + ".key", "-subj", "/CN=globex", "-out", name + ".csr")
        now = time.time()
        stamp = lambda seconds: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + seconds))  # noqa: E731
        authority = {"ours": self.world.path("pki/ca"), "other": os.path.join(self.folder, "other"),
                     "itself": None, "sensor": self.world.sensor_leaf()}[what.get("authority", "ours")]
        with open(os.path.join(self.folder, name + ".cnf"), "w") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.index\nnew_certs_dir=.\npolicy=p\nrand_serial=yes\n"
                       "unique_subject=no\n[p]\ncommonName=optional\norganizationName=optional\n[x]\n" % name)
            file.writelines("%s=%s\n" % pair for pair in extensions.items() if pair[1])
        open(os.path.join(self.folder, name + ".index"), "w").close()
        signer = (["-cert", authority + ".pem", "-keyfile", authority + ".key"] if authority
                  else ["-selfsign", "-keyfile", name + ".key"])
        self.openssl("ca", "-batch", "-notext", "-config", name + ".cnf", "-extensions", "x", "-md",
                     what.get("digest", "sha256"), "-startdate", stamp(what.get("from", -60)), "-enddate",
                     stamp(what.get("to", DAY)), "-in", name + ".csr", "-out", name + ".pem", *signer)
        return os.path.join(self.folder, name)


def answers(world, leaf):
    """What a peer with this certificate is answered to a batch: frames of headers and data, none when it is refused."""
    try:
        connection = world.connect(world.sensors_port, leaf)
    except (OSError, ssl.SSLError):
        return []
    peer = http2.Peer(connection)
    peer.begin()
    peer.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.request("POST", "/v1/batches")))
    peer.send(http2.frame(http2.DATA, http2.END_STREAM, 1, b"a batch"))
    found = [one for one in peer.read(2) if one[0] in (http2.HEADERS, http2.DATA, http2.SETTINGS)]
    demand(found or not peer.is_open, "the connection stays open")
    peer.close()
    return found


def refused(world):
    return world.metric("weir_handshake_failures_total", listener="sensors") + world.metric(
        "weir_peer_refusals_total", listener="sensors")


def bad_certificates(world):
    """Each is refused before anything that comes behind the handshake is read; a good one is not."""
    authority, wrong = Authority(world), []
    demand(answers(world, authority.leaf(0, {})), "a good certificate was refused")
    received = world.metric("weir_ingest_batches_received_total")
    for number, (name, what) in enumerate(LEAVES, 1):
        before = refused(world)
        found = answers(world, authority.leaf(number, what))
        counted = refused(world) - before
        if found or counted != 1:
            wrong.append("%s (%d frames came, %d refusals counted)" % (name, len(found), counted))
    demand(not wrong, "not refused: " + "; ".join(wrong))
    demand(world.metric("weir_ingest_batches_received_total") == received, "a batch was looked at")
    yield "%d bad certificates refused, each counted, nothing read from them" % len(LEAVES)


def no_certificate(world):
    """Nor is a peer without any, or one that speaks no HTTP/2."""
    before = world.metric("weir_handshake_failures_total", reason="no_certificate")
    demand(not answers(world, None), "answered without a certificate")
    demand(world.metric("weir_handshake_failures_total", reason="no_certificate") == before + 1, "not counted")
    for protocols in (("http/1.1",), ("spdy/3",)):
        try:
            connection = world.connect(world.sensors_port, world.sensor_leaf(), protocols)
            connection.sendall(b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            demand(connection.recv(100) == b"", "the sensors' listener answered " + protocols[0])
        except (OSError, ssl.SSLError):
            pass
    yield "no certificate, no HTTP/2: refused"


def versions(world):
    """TLS 1.0 to 1.2 are refused on both ports."""
    for port in (world.api_port, world.sensors_port):
        for version in ("-tls1", "-tls1_1", "-tls1_2"):
            done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, version, "-cipher",
                                   "ALL:@SECLEVEL=0"], input="", capture_output=True, text=True, timeout=20)
            demand(done.returncode != 0 and "Cipher is (NONE)" in done.stdout, "%s on %d" % (version, port))
    yield "TLS 1.0, 1.1 and 1.2 refused on both ports"


def sslyze_scan(world):
    """sslyze finds nothing: TLS 1.3 alone, sound curves, no old holes."""
    try:
        import sslyze  # noqa: F401
    except ImportError:
        raise Skip("sslyze is not installed")
    for port, leaf in ((world.api_port, None), (world.sensors_port, world.sensor_leaf())):
        command = [os.path.join(os.path.dirname(sys.executable), "sslyze"), "--json_out=-", "--mozilla_config=disable",
                   "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--heartbleed", "--openssl_ccs",
                   "--robot", "--compression", "--reneg", "--fallback", "--elliptic_curves", "--ems"]
        if leaf:  # early data is tried without ALPN, and who names no protocol is not let in there
            command += ["--cert", leaf + ".pem", "--key", leaf + ".key"]
        else:
            command.append("--early_data")
        done = subprocess.run(command + ["127.0.0.1:%d" % port], capture_output=True, text=True, timeout=120)
        yield findings(json.loads(done.stdout)["server_scan_results"][0], port)


def findings(found, port):
    """What sslyze says that would be a finding of medium severity or above."""
    demand(found["connectivity_status"] == "COMPLETED", "sslyze did not connect: %s" % found["connectivity_error_trace"])
    result, wrong = found["scan_result"], []

    def of(name):
        demand(result[name]["status"] == "COMPLETED", "%s: %s" % (name, result[name]["error_trace"]))
        return result[name]["result"]

    for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"):
        if of(name + "_cipher_suites")["accepted_cipher_suites"]:
            wrong.append(name)
    suites = {one["cipher_suite"]["name"] for one in of("tls_1_3_cipher_suites")["accepted_cipher_suites"]}
    if not suites or not suites <= {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}:
        wrong.append("suites %s" % sorted(suites))
    if of("heartbleed")["is_vulnerable_to_heartbleed"]:
        wrong.append("heartbleed")
    if of("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"]:
        wrong.append("CCS injection")
    if of("robot")["robot_result"].startswith("VULNERABLE"):
        wrong.append("ROBOT")
    if of("tls_compression")["supports_compression"]:
        wrong.append("compression")
    if result["tls_1_3_early_data"]["status"] != "NOT_SCHEDULED" and of("tls_1_3_early_data")["supports_early_data"]:
        wrong.append("early data")
    if of("session_renegotiation")["is_vulnerable_to_client_renegotiation_dos"]:
        wrong.append("renegotiation")
    curves = {one["name"] for one in of("elliptic_curves")["supported_curves"] or []}
    if not curves <= {"X25519", "secp256r1", "prime256v1", "secp384r1", "secp521r1", "X448"}:
        wrong.append("curves %s" % sorted(curves))
    demand(not wrong, "port %d: %s" % (port, "; ".join(wrong)))
    return "sslyze: 0 findings; suites %s; curves %s" % (", ".join(sorted(suites)), ", ".join(sorted(curves)))
