"""S16, T5 and cursors: injection, foreign ids."""
import random
import time
import urllib.parse

from world import demand, median

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


GOOD_FILTERS = [
    'source = 10.0.0.0/8 and not port in (22, 443)', 'sourceAddress = 2001:db8::/32 or protocol = tcp',
    'octetDeltaCount > 1k and (service = 6/443 or service = 17/53)', 'site = "hq" and exporter = 192.0.2.1',
    'tcpControlBits = 0x12', 'not (sourceTransportPort < 1024)',
]
PIECES = ["'", '"', "(", ")", "not ", " and ", " or ", "--", ";", "/*", "%", "\\", "\u0000", "\u202e", "\U0001F600", "in", ",",
          "=", "<", ">", "!", "*", "99999999999999999999", "-1", "1e309", "0x", "::", "/129", "@", "$", "`", "sqlite_master"]


def filters(world):
    """Filters with pieces taken out, put in, doubled and nested: a page or a 400 that says where, and nothing else."""
    key, client, rng, statuses = world.keys["acme"], world.client(), random.Random(16), {}
    begin, slowest = time.monotonic(), 0.0
    for number in range(500):
        text = rng.choice(GOOD_FILTERS)
        for _ in range(rng.randrange(4)):
            place = rng.randrange(len(text) + 1)
            text = rng.choice([text[:place] + rng.choice(PIECES) + text[place:], text[:place] + text[place + rng.randrange(9):],
                               text + rng.choice([" and ", " or ", " "]) + rng.choice(GOOD_FILTERS), "not (" * 3 + text + ")" * 3])
        if number % 25 == 0:
            text = "(" * (number * 9) + text + ")" * (number * 9)
        asked = time.monotonic()
        answer = world.ask("GET", "/v1/flows?limit=5&filter=" + urllib.parse.quote(text[:6000], safe=""), key=key, client=client)
        slowest = max(slowest, time.monotonic() - asked)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        demand(answer.status in (200, 400), "%r: %d" % (text[:300], answer.status))
        demand(FOREIGN_HOST not in answer.body, "%r shows another tenant's hosts" % text[:300])
    demand(min(statuses.get(200, 0), statuses.get(400, 0)) > 30, "one-sided: %s" % statuses)
    yield "500 filters in %.0f s, the slowest %.0f ms: %s" % (time.monotonic() - begin, 1000 * slowest, statuses)


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
