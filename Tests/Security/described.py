"""S8: every operation, as openapi.json describes it and otherwise, for each kind of caller (schemathesis)."""
import collections
import json
import os
import re
import subprocess
import sys
import time

from world import Fault, Skip, World, demand, free_port

# What each answer is held against. `ignored_auth` asks again without credentials, and with wrong ones.
CHECKS = ("not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance,"
          "response_headers_conformance,ignored_auth")
# Streams last for minutes and send something all the time, so no time limit of a reader ends them: `streams` asks them.
STREAMS = "^/v1/live/"
# Of no use to who is signed in, and limited by address: who asks first has used up the others' tries.
PUBLIC = ["/v1/session", "/v1/setup", "/v1/password/forgot", "/v1/password/reset", "/v1/invitations/accept",
          "/v1/signon/{name}", "/v1/signon/{name}/callback", "/v1/signon/{name}/session"]
# These end what the caller asks with: they come last, with credentials of their own.
FATAL = ["/v1/sessions/{id}", "/v1/session/tenant", "/v1/session/password", "/v1/session/factor",
         "/v1/session/factor/remove", "/v1/keys/{id}", "/v1/members/{id}", "/v1/members/{id}/factor",
         "/v1/members/{id}/reset", "/v1/accounts/{id}"]

# What is not set up is answered 503, as it says: mail, which nobody takes here, and the authority that sensors enrol at.
MORE = "enrolment:\n  certificate: pki/ca.pem\n  key: file:pki/ca.key\npeople:\n  mail:\n    server: 127.0.0.1:%d\n    security: plain\n    from: weir@weir.example\n"

Run = collections.namedtuple("Run", "name fields phases examples only left_out")
# A failing run of so many operations and examples is to be read: what is wrong first is enough.
FAULTS_SHOWN = 12


class Outcome:
    """What the events of a run say: answers by status, operations that gave a 2xx, and what was not as promised."""

    def __init__(self, path, operations):
        self.operations = operations
        self.statuses, self.good, self.asked, self.faults = collections.Counter(), set(), set(), {}
        with open(path) as file:
            for line in file:
                finished = json.loads(line).get("ScenarioFinished")
                if finished:
                    self._read(finished["recorder"])

    def _read(self, recorder):
        for name, exchange in recorder.get("interactions", {}).items():
            answer = exchange.get("response")
            case = recorder["cases"][name]["value"]
            operation = "%s %s" % (case["method"], case["path"])
            if answer:
                self.statuses[answer["status_code"]] += 1
            if answer and operation in self.operations:  # methods that no route has are tried too
                self.asked.add(operation)
                if answer["status_code"] < 300:
                    self.good.add(operation)
            for check in recorder.get("checks", {}).get(name, []):
                if check["status"] == "failure":
                    why = check["failure_info"]["failure"]
                    self.faults.setdefault((operation, check["name"]), "%s: %s, asked %s" % (
                        why["title"], " ".join(why["message"].split())[:200], exchange["request"]["uri"][:160]))


def program():
    path = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    if not os.access(path, os.X_OK):
        raise Skip("schemathesis is not installed")
    return path


def command(place, target, run, report):
    out = [program(), "run", target, "--tls-verify", place.trust, "--phases", run.phases, "--max-examples", str(run.examples),
           "--checks", CHECKS, "--seed", "1", "--workers", "2", "--request-timeout", "20", "--continue-on-failure",
           "--no-shrink", "--no-color", "--generation-database", "none", "--suppress-health-check", "all",
           "--generation-with-security-parameters", "false", "--report", "ndjson", "--report-ndjson-path", report,
           "--exclude-path-regex", STREAMS]
    for field in run.fields:
        out += ["--header", field]
    for path in run.only:
        out += ["--include-path", path]
    for path in run.left_out:
        out += ["--exclude-path", path]
    return out


def ask(place, run, seconds, target=None, more=()):
    """One run; returns its exit status and outcome. A run that does not end in `seconds` is a fault."""
    report = place.path("described-%s.ndjson" % run.name)
    asked = command(place, target or "https://127.0.0.1:%d/openapi.json" % place.api_port, run, report) + list(more)
    with open(place.path("described-%s.log" % run.name), "w") as log:
        try:
            done = subprocess.run(asked, stdout=log, stderr=log, timeout=seconds, cwd=place.folder,
                                  env=dict(os.environ, PYTHONWARNINGS="ignore"))
        except subprocess.TimeoutExpired:
            raise Fault("%s: not within %d s" % (run.name, seconds)) from None
    return done.returncode, Outcome(report, operations(place))


def operations(place):
    paths = place.ask("GET", "/openapi.json").json()["paths"]
    return {"%s %s" % (method.upper(), path) for path, one in paths.items() for method in one if method != "parameters"}


def people(place):
    """Fields of an owner, a viewer, an operator inside the tenant, and of two keys."""
    sessions = {}
    for role in ("owner", "viewer", "leaver"):
        email = role + "@acme.example"
        sessions[role] = place.sign_in(email, place.person("acme", email, "viewer" if role == "viewer" else "owner"))
    password = "correct horse battery staple operator"
    done = place.ask("POST", "/v1/setup", body={"token": place.read("data/set-up.token").strip(), "name": "Op Erator",
                                                "email": "op@weir.example", "password": password})
    demand(done.status == 204, "setting up: %d %s" % (done.status, done.body))
    sessions["operator"] = place.sign_in("op@weir.example", password)
    done = place.ask("PUT", "/v1/session/tenant", body={"tenant": "acme", "reason": "a look at what is described"},
                     fields={"Cookie": sessions["operator"], "Weir-Request": "1"})
    demand(done.status == 204, "the operator's choice: %d %s" % (done.status, done.body))
    fields = {name: ["Cookie: " + one, "Weir-Request: 1"] for name, one in sessions.items()}
    fields["key"] = ["Authorization: Bearer " + place.keys["acme"]]
    fields["pseudonyms"] = ["Authorization: Bearer " + place.key("acme", "flows:read-pseudonyms")]
    return fields


def runs(fields, is_full):
    """In order: who may most first, who ends the own session last."""
    many, all_phases = (500, "examples,coverage,fuzzing,stateful") if is_full else (3, "examples,coverage,fuzzing,stateful")
    few, short = (100, all_phases) if is_full else (1, "examples,fuzzing")
    aside = PUBLIC + FATAL
    return [
        Run("owner", fields["owner"], all_phases, many, [], aside), Run("key", fields["key"], short, few, [], aside),
        Run("viewer", fields["viewer"], short, few, [], aside), Run("operator", fields["operator"], short, few, [], aside),
        Run("pseudonyms", fields["pseudonyms"], short, few, [], aside),
        Run("leaver", fields["leaver"], "examples,coverage,fuzzing", few, FATAL, []),
        Run("nobody", [], "examples,coverage,fuzzing", few, PUBLIC, []),
    ]


def planted(place):
    """A description that promises what is not so: the checks have to notice, or they show nothing."""
    answer = {"description": "Not so.", "content": {"application/json": {"schema": {"type": "string"}}}}
    wrong = {"openapi": "3.1.0", "info": {"title": "wrong", "version": "1"}, "paths": {
        "/healthz": {"get": {"responses": {"204": {"description": "Not so."}}}},
        "/readyz": {"get": {"security": [{"key": []}], "responses": {"200": answer}}},
        "/openapi.json": {"get": {"responses": {"200": answer}}}},
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}}
    path = place.write("wrong.json", json.dumps(wrong))
    run = Run("planted", ["Authorization: Bearer " + place.keys["acme"]], "coverage,fuzzing", 1, [], [])
    status, outcome = ask(place, run, 60, path, ["--url", "https://127.0.0.1:%d" % place.api_port])
    noticed = set(outcome.faults)
    for fault in (("GET /healthz", "status_code_conformance"), ("GET /readyz", "ignored_auth"),
                  ("GET /readyz", "content_type_conformance"), ("GET /openapi.json", "response_schema_conformance")):
        demand(status != 0 and fault in noticed, "a wrong promise went unnoticed: %s; noticed: %s" % (fault, noticed))


def streams(place, fields):
    """What is left to us: streams begin as they are described, and are refused as everything else is."""
    header = dict(field.split(": ", 1) for field in fields["key"])
    streams = sorted(one.partition(" ")[2] for one in operations(place) if re.match("GET /v1/live/", one))
    demand("/v1/live/incidents" in streams, "no stream is described")
    for path in streams:
        client = place.client(5)
        client.request("GET", path, headers=header)
        answer = client.getresponse()
        demand(answer.status == 200 and answer.getheader("Content-Type") == "text/event-stream", "%s: %d" % (path, answer.status))
        client.close()
        for target, who, status in (("?what=1", header, 400), ("", {}, 401)):
            answer = place.ask("GET", path + target, fields=who)
            demand(answer.status == status and answer.field("Content-Type") == "application/problem+json",
                   "%s%s: %d" % (path, target, answer.status))


def described(world, is_full=False):
    """Every operation as openapi.json says, and otherwise, for seven callers: no 5xx, no promise broken, nobody unasked."""
    program()
    place, is_held = World(world.programs, MORE % free_port(), tenants=("acme",)), False
    try:
        planted(place)
        fields = people(place)
        streams(place, fields)
        total, faults, good, asked = collections.Counter(), [], set(), set()
        for run in runs(fields, is_full):
            begin = time.monotonic()
            status, outcome = ask(place, run, 7200 if is_full else 240)
            if status != 0 and not outcome.faults:  # its generator gave up, which happens on a busy machine
                status, outcome = ask(place, run, 7200 if is_full else 240)
            demand(place.is_running(), "%s: the aggregator has ended" % run.name)
            demand(outcome.asked, "%s: nothing was asked: see described-%s.log" % (run.name, run.name))
            if status != 0 and not outcome.faults:
                raise Fault("%s: schemathesis ended with %d: %s" % (
                    run.name, status, place.read("described-%s.log" % run.name)[-600:]))
            faults += ["%s: %s %s: %s" % (run.name, *key, text) for key, text in sorted(outcome.faults.items())]
            total += outcome.statuses
            good |= outcome.good
            asked |= outcome.asked
            yield "%s: %d answers of %d operations, %d of them 2xx, in %.0f s; %s" % (
                run.name, sum(outcome.statuses.values()), len(outcome.asked), len(outcome.good), time.monotonic() - begin, dict(sorted(outcome.statuses.items())))
        demand(not faults, "%d promises broken: %s" % (len(faults), " | ".join(faults[:FAULTS_SHOWN])))
        # The description itself is read by each run, which counts for nothing there.
        left = operations(place) - asked - {"GET /openapi.json"}
        missing = {one for one in left if not re.match(STREAMS, one.partition(" ")[2])}
        demand(not missing, "not asked: %s" % sorted(missing))
        # Who was refused everywhere has seen nothing of what is described. Made-up ids are not found, which is the rest.
        demand(len(good) > 0.4 * len(asked), "only %d of %d operations gave what was asked for" % (len(good), len(asked)))
        errors = sum(count for status, count in total.items() if status >= 500)
        demand(errors == 0, "%d answers of 5xx" % errors)
        yield "%d answers of %d operations to 7 callers, %d of them 2xx for somebody: 0 of 5xx, 0 promises broken" % (
            sum(total.values()), len(asked), len(good))
        is_held = True
    finally:
        place.close(keep=not is_held)
        if not is_held:
            print("    its files are in %s" % place.folder, flush=True)


def described_at_length(world):
    """The same with 500 examples of each operation for the owner and 100 for the others; takes an hour or more."""
    yield from described(world, is_full=True)
