"""S8, S16, T5 and cursors: the API by its own description, injection, foreign ids."""
import os
import random
import subprocess
import sys
import time
import urllib.parse

from world import Skip, demand, median

# What a run may not do to its own world: revoke the keys that it asks with, and guess at passwords.
LEFT_OUT = ["/v1/session", "/v1/setup", "/v1/password/forgot", "/v1/password/reset", "/v1/invitations/accept"]
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"


def described(world):
    """Every operation is asked as openapi.json says, and otherwise: no answer of 500, and all as it was promised."""
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    if not os.access(program, os.X_OK):
        raise Skip("schemathesis is not installed")
    for role, key in (("all but administration", world.keys["acme"]), ("read flows only", world.key("globex", "flows:read"))):
        report = world.path("schemathesis")
        command = [program, "run", "https://127.0.0.1:%d/openapi.json" % world.api_port, "--tls-verify", world.trust,
                   "--header", "Authorization: Bearer " + key, "--phases", "examples,coverage,fuzzing",
                   "--max-examples", os.environ.get("WEIR_EXAMPLES", "8"), "--checks", CHECKS, "--seed", "1",
                   "--workers", "2", "--no-color", "--request-timeout", "20", "--continue-on-failure",
                   "--generation-database", "none"]
        for path in LEFT_OUT:
            command += ["--exclude-path", path]
        environment = dict(os.environ, PYTHONWARNINGS="ignore")
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=world.folder, env=environment)
        with open(report, "w") as file:
            file.write(done.stdout + done.stderr)
        tail = [line for line in done.stdout.splitlines() if line.strip()][-14:]
        if done.returncode != 0:
            failed = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith(("- ", "Failures", "___"))]
            demand(False, "%s: %s; %s" % (role, "; ".join(failed[:30]), " | ".join(tail)))
        demand(world.is_running(), "the aggregator has ended")
        yield "%s: %s" % (role, " ".join(" ".join(tail).split())[:400])


INJECTIONS = ["'", "\"", "' OR 1=1 --", "1; DROP TABLE event", "1 UNION SELECT * FROM api_key", "\\", "%00", "\u0000", "${7*7}",
              "{{7*7}}", "../../../etc/passwd", "a" * 5000, "\U0001F600", "-1", "1e309", "NaN", "0x41", "ORDER BY 1",
              "(SELECT 1)", "sourceAddress; --", "$(id)", "`id`", "|id", "\r\nSet-Cookie: a=b", "%0d%0aSet-Cookie:%20a=b"]


def injection(world):
    """Every parameter of every read, with what would be code elsewhere: refused, or taken as text; never a 500."""
    key, paths = world.keys["acme"], world.ask("GET", "/openapi.json").json()["paths"]
    client, asked, statuses = world.client(), 0, {}
    before = world.ask("GET", "/v1/audit/verify", key=world.key("acme", "audit:read")).status
    demand(before == 200, "the audit log: %d" % before)
    for path, operations in paths.items():
        get = operations.get("get")
        if not get or path in ("/metrics", "/openapi.json", "/healthz", "/readyz"):
            continue
        places = [(one["name"], one["in"]) for one in get.get("parameters", []) if "name" in one]
        for name, where in places:
            for text in INJECTIONS:
                quoted = urllib.parse.quote(text, safe="")
                target = path.replace("{%s}" % name, quoted) if where == "path" else "%s?%s=%s" % (path, name, quoted)
                while "{" in target:
                    target = target[:target.index("{")] + "x" + target[target.index("}") + 1:]
                answer = world.ask("GET", target, key=key, client=client)
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                demand(answer.status < 500 or answer.status == 503, "%s: %d" % (target[:200], answer.status))
                demand(answer.field("Set-Cookie") is None, "%s: sets a cookie" % target[:200])
                demand(b"SQLite" not in answer.body and b"root:" not in answer.body, "%s: %s" % (target[:200], answer.body[:200]))
                asked += 1
    demand(world.ask("GET", "/v1/incidents", key=key).status == 200, "the key is gone")
    yield "%d requests: %s" % (asked, ", ".join("%d x %d" % (count, status) for status, count in sorted(statuses.items())))


def foreign_ids(world):
    """Another tenant's id and one that nobody has: the same answer, in the same time."""
    keys = {tenant: world.key(tenant, "keys:read", "keys:write", "members:read", "sensors:read", "sensors:write",
                              "rules:read", "rules:write", "incidents:read", "incidents:write", "networks:write")
            for tenant in world.tenants}
    theirs = [one["id"] for one in world.ask("GET", "/v1/keys", key=keys["globex"]).json()["items"]]
    demand(theirs, "globex has no keys")
    client, times, bodies = world.client(), {"foreign": [], "missing": []}, set()
    for number in range(300):
        foreign = theirs[number % len(theirs)]
        missing = foreign[:-4] + "%04x" % random.randrange(1 << 16)
        for kind, one in (("foreign", foreign), ("missing", missing)):
            begin = time.monotonic()
            answer = world.ask("DELETE", "/v1/keys/" + one, key=keys["acme"], client=client)
            times[kind].append(time.monotonic() - begin)
            bodies.add((answer.status, answer.body, tuple(sorted(
                field for field in answer.fields if field[0].lower() != "date"))))
    demand(len(bodies) == 1, "answers differ: %s" % bodies)
    demand(next(iter(bodies))[0] == 404, "not 404: %s" % bodies)
    foreign, missing = median(times["foreign"]) * 1000, median(times["missing"]) * 1000
    demand(abs(foreign - missing) < 1, "foreign %.2f ms, missing %.2f ms" % (foreign, missing))
    yield "300 pairs, one answer; medians %.2f and %.2f ms" % (foreign, missing)


def cursors(world):
    """A page's cursor with any octet changed, cut, or of another tenant: refused, or a page of the own tenant."""
    key, other = world.keys["acme"], world.keys["globex"]
    page = world.ask("GET", "/v1/flows?limit=2", key=key).json()
    demand(page["next"], "there is no second page")
    rng, asked, statuses, client = random.Random(5), 0, {}, world.client()
    for target, cursor in (("/v1/flows?limit=2&cursor=", page["next"]), ("/v1/incidents?limit=2&cursor=", page["next"]),
                           ("/v1/audit?limit=2&cursor=", "1")):
        audit = world.key("acme", "audit:read") if "audit" in target else key
        for _ in range(150):
            place = rng.randrange(len(cursor))
            changed = rng.choice([
                cursor[:place] + rng.choice("0123456789abcdefghijklmnopqrstuvwxyz.-+ %\u00e9\u0000") + cursor[place + 1:],
                cursor[:place], cursor + cursor, cursor[:place] + cursor[place + 1:], "9" * rng.randrange(1, 40)])
            answer = world.ask("GET", target + urllib.parse.quote(changed, safe=""), key=audit, client=client)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            demand(answer.status in (200, 400), "%s%r: %d" % (target, changed, answer.status))
            demand(b"globex" not in answer.body and FOREIGN_HOST not in answer.body, "another tenant's data: %r" % changed)
            asked += 1
    answer = world.ask("GET", "/v1/flows?limit=2&cursor=" + page["next"], key=other)
    demand(answer.status in (200, 400) and OWN_HOST not in answer.body, "acme's cursor opens acme's flows to globex")
    yield "%d changed cursors: %s; acme's cursor shows globex nothing of acme" % (asked, statuses)


OWN_HOST, FOREIGN_HOST = b"10.77.", b"10.88."
