"""How fast the console is: with a month and a thousand incidents, with a hundred thousand rows, and with hostile words everywhere."""
import os
import time

from playwright.sync_api import expect

import month

# What was measured is printed. Failed is only what is slow of another kind, three times what is aimed at, so that a busy
# machine is no failure. Tests' programs are not optimized: the largest of a month take them seconds, and come into a page
# that works already.
PAINT_MS, INTERACTIVE_MS, WHOLE_MS, FRAME_MS, SLOW_FRAME_MS = 3_000, 6_000, 30_000, 100, 1_000
SENSOR = """trustDomain: weir.test
aggregators:
  - 127.0.0.1:{sensors}
tls:
  certificate: pki/edge2.pem
  key: pki/edge2.key
  trust: pki/ca.pem
spool:
  directory: spool-of-month
aggregate:
  window: 10m
metrics:
  listen: ""
"""


def count(world):
    return sum(one["count"] for one in world.ask("GET", "/v1/incidents/counts")["items"])


def fill(world):
    """A month of flows through a sensor of its own, with a rule that makes an incident of each odd host."""
    assert world.ask("PUT", "/v1/sigma/rules/33333333-2222-4333-8444-555555555555", {"text": month.RULE, "state": "enabled"}), world.refusal
    world.run("weirctl", "certs", "issue", "sensor", "pki", "--tenant", "acme", "--site", "branch", "--name", "edge2")
    with open(os.path.join(world.folder, "month.yaml"), "w") as file:
        file.write(SENSOR.format(sensors=world.sensors))
    month.write(os.path.join(world.folder, "month.pcap"))
    world.run("weir-sensor", "import", "--config", "month.yaml", "month.pcap")
    world.wait("a thousand incidents", lambda: count(world) >= month.HOSTS, 60)


def overview(desk):
    """First paint, the time until incidents and the frame are there and react, and until all parts are, over 30 days."""
    fill(desk.world)
    days = len([one for one in desk.world.ask("GET", "/v1/flows/series?by=site&period=86400&from=%d&to=%d" % (
        (time.time() - 31 * 86_400) // 86_400 * 86_400_000, (time.time() // 86_400 + 1) * 86_400_000))["items"][0]["octetDeltaCount"] if one])
    assert days >= 29, days
    best = None
    for _ in range(3):  # the best of three: what else runs on the machine is not the console's
        page = desk.open("#/account")
        desk.settle(page)
        page.goto("about:blank")
        page.goto(desk.world.url + "/console/#/overview?range=30d")
        # All by the page's own clock, from the address on.
        ready = page.wait_for_function("() => document.querySelector('.tile') && document.querySelector('.bar button') && performance.now()").json_value()
        page.get_by_role("button", name="Live").click()
        expect(page.get_by_role("button", name="Paused")).to_be_visible()
        whole = page.wait_for_function("() => document.querySelector('.grid .panel') && !document.querySelector('.waits, [aria-busy=true]')"
                                       " && performance.now()").json_value()
        paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime")
        page.get_by_role("button", name="As a table").click()
        expect(page.locator("figure table")).to_be_visible()
        weight = page.evaluate("() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/console/'))"
                               ".reduce((all, one) => all + one.decodedBodySize, 0)")
        if best is None or ready < best[1]:
            best = (paint, ready, whole, weight)
        desk.check(page)
        page.context.close()
    print("overview, %d incidents, %d days: first paint %.0f ms, interactive %.0f ms, all of it %.0f ms, pages %d octets" % (count(desk.world), days, *best))
    assert best[0] < PAINT_MS and best[1] < INTERACTIVE_MS and best[2] < WHOLE_MS and best[3] < 200_000, best


def long_list(desk):
    """A hundred thousand incidents: few rows are there at a time, frames keep coming while it scrolls, keys reach far rows."""
    rows = 100_000
    one = desk.world.ask("GET", "/v1/incidents?limit=1")["items"][0]
    one.update(findings=[], entities=one["entities"][:2])
    page = desk.open("#/account")
    desk.settle(page)
    page.evaluate("""([one, rows]) => {
        const ask = fetch, items = Array.from({ length: rows }, (_, at) => ({ ...one, id: `made-${at}`, title: `${at} ${one.title}` }));
        globalThis.fetch = (path, more) => {
            const answer = String(path).startsWith("/v1/incidents/counts") ? { items: [{ severity: "low", status: "new", count: rows }] }
                : String(path).startsWith("/v1/incidents?") ? { items, next: null } : null;
            return answer ? Promise.resolve(new Response(JSON.stringify(answer))) : ask(path, more);
        };
    }""", [one, rows])
    desk.go(page, "#/incidents?range=1h")
    expect(page.get_by_text("100,000 incidents")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    found = page.evaluate("""async () => {
        const frames = [], most = [], frame = () => new Promise((done) => requestAnimationFrame(done));
        let last = performance.now();
        for (let turn = 0; turn < 240; turn += 1) {
            scrollBy(0, turn < 200 ? 400 : document.documentElement.scrollHeight / 45);
            await frame();
            const now = performance.now();
            frames.push(now - last);
            most.push(document.querySelectorAll("tr[data-id]").length);
            last = now;
        }
        scrollTo(0, document.documentElement.scrollHeight);
        await frame();
        await frame();
        frames.sort((a, b) => a - b);
        const shown = [...document.querySelectorAll("tr[data-id]")].map((one) => Number(one.getAttribute("aria-rowindex")));
        return { middle: frames[120], slow: frames[228], rows: Math.max(...most), last: Math.max(...shown) };
    }""")
    print("a list of %d: frames of %.0f ms, one in twenty over %.0f ms, %d rows at most" % (rows, found["middle"], found["slow"], found["rows"]))
    assert found["rows"] < 120 and found["last"] == rows + 1 and found["middle"] < FRAME_MS and found["slow"] < SLOW_FRAME_MS, found
    page.locator("tr[data-id] input").last.focus()
    for _ in range(3):
        page.keyboard.press("k")
    assert page.evaluate("() => document.activeElement.closest('tr').getAttribute('aria-rowindex')") == str(rows - 2)
    desk.check(page)


def payloads():
    """Two hundred ways to smuggle a script: each opening with each call in each wrapping."""
    calls = ["hit()", "hit``", "self['hit']()", "top.hit()", "Function('hit()')()", "setTimeout(hit)", "[1].map(hit)", "hit.call()"]
    shapes = ["<script>%s</script>", "<img src=x onerror=%s>", "<svg onload=%s>", "<svg><animate onbegin=%s attributeName=x dur=1s>", "\"><script>%s</script>",
              "' onmouseover='%s", "\" autofocus onfocus=\"%s", "<iframe srcdoc='<script>parent.%s</script>'>", "<a href='javascript:%s'>x</a>", "javascript:%s",
              "<details open ontoggle=%s>", "<video><source onerror=%s>", "<math><mtext><img src=x onerror=%s>", "{{constructor.constructor('%s')()}}",
              "${%s}", "</textarea><script>%s</script>", "</title><img src=x onerror=%s>", "<style>@import 'javascript:%s'</style>",
              "<input autofocus onfocus=%s>", "<body onpageshow=%s>", "<object data='data:text/html,<script>%s</script>'>", "<!--><img src=x onerror=%s>-->",
              "&lt;img src=x onerror=%s&gt;", "<img/src='x'/onerror=%s>", "\\u003cimg src=x onerror=%s\\u003e"]
    return [shape % call for shape in shapes for call in calls]


# What is written into only when a button was pressed.
DIALOGS = {
    "incidents": ("Keep this filter",), "incidents/ID": ("Exception", "Merge"), "explore": ("Keep this filter",), "intelligence": ("Name networks",),
    "administration": ("Invite", "Make a role", "Make an account", "Make a key"),
}


def hostile_everywhere(desk):
    """200 payloads through every text field of every page, and in the place of every name that an answer has: none runs."""
    hostile, turn = payloads(), [0]
    assert len(hostile) == len(set(hostile)) == 200

    def poison(value, key=""):
        if isinstance(value, dict):
            return {name: poison(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [poison(item, key) for item in value]
        if not isinstance(value, str) or key in ("tenant", "next"):
            return value
        turn[0] += 1
        return value + hostile[turn[0] % len(hostile)]

    def answer(route):
        if route.request.method != "GET":
            return route.fulfill(status=422, json={"title": hostile[turn[0] % 200], "detail": hostile[(turn[0] + 7) % 200], "status": 422})
        response = route.fetch()
        if "json" not in response.headers.get("content-type", ""):
            return route.fulfill(response=response)
        return route.fulfill(response=response, json=poison(response.json()))

    incident = desk.world.ask("GET", "/v1/incidents?limit=1")["items"][0]["id"]
    page, fields, shown = desk.open("#/account"), 0, 0
    desk.settle(page)
    page.route(lambda url: "/v1/" in url and "/v1/live" not in url, answer)
    for place in ("overview", "incidents", "incidents/" + incident, "explore", "map", "sensors", "sensors/add", "rules", "rules/sigma/new", "reports",
                  "intelligence?indicator=192.0.2.1", "administration", "account"):
        desk.go(page, "#/" + place + ("&" if "?" in place else "?") + "range=1h")
        shown += page.locator("main").inner_text().count("hit")
        fields += page.evaluate("""(hostile) => {
            const all = [...document.querySelectorAll("main input:not([type=checkbox]):not([type=number]):not([type=datetime-local]), main textarea")];
            for (const field of all) for (const text of hostile) {
                field.value = text;
                field.dispatchEvent(new Event("input", { bubbles: true }));
            }
            return all.length;
        }""", hostile)
        page.evaluate("""(hostile) => {
            // What somebody would send: of each form, with a payload in each field.
            for (const [at, form] of [...document.querySelectorAll("main form")].entries()) {
                for (const field of form.querySelectorAll("input:not([type=checkbox]):not([type=email]), textarea")) field.value = hostile[at];
                form.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
            }
        }""", hostile)
        for name in DIALOGS.get(place.split("?")[0].replace(incident, "ID"), ()):
            page.get_by_role("button", name=name).first.click()
            sheet = page.get_by_role("dialog")
            fields += sheet.locator("input:not([type=checkbox]):not([type=number]):not([type=email]), textarea").evaluate_all("""(all, hostile) => {
                for (const field of all) for (const text of hostile) {
                    field.value = text;
                    field.dispatchEvent(new Event("input", { bubbles: true }));
                }
                return all.length;
            }""", hostile)
            sheet.locator("form").evaluate("(form) => form.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }))")
            page.keyboard.press("Escape")
        page.wait_for_timeout(200)
        page.evaluate("() => document.querySelectorAll('a').forEach((link) => { if (!/^(#|\\/v1\\/)/.test(link.getAttribute('href'))) hit(); })")
        desk.check(page)
    print("%d payloads through %d text fields, and %d times in names" % (len(hostile), fields, turn[0]))
    assert fields > 30 and turn[0] > 2_000 and shown > 200, (fields, turn, shown)
    alone = desk.open(signed_in=False)
    for place in ("sign-in", "setup", "join", "forgot", "reset"):
        for text in hostile[::20]:
            desk.go(alone, "#/%s?token=%s&at=%s" % (place, text.replace("%", ""), text.replace("%", "")))
    desk.check(alone)


tests = [("200 hostile texts in every field and name", hostile_everywhere), ("a hundred thousand incidents scroll", long_list),
         ("a month and a thousand incidents", overview)]
