"""What people do in the console, each from its first click to what the API says afterwards."""
import re

from desk import PASSWORD, totp
from playwright.sync_api import expect

import hunting
import triage
from world import PAYLOAD


def field(page, name, scope="main"):
    return page.locator(scope).get_by_label(name, exact=False).first


def set_up(desk):
    """The one-time link makes the first operator, once."""
    token = desk.world.read("data/set-up.token")
    page = desk.open("#/setup?token=" + token, signed_in=False)
    expect(page.get_by_label("Token")).to_have_value(token)
    field(page, "E-mail").fill("root@example.net")
    field(page, "Name").fill("Root")
    field(page, "Password").fill("too short, too")
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".note")).to_have_count(0)  # the browser refuses 14 characters before anything is sent
    field(page, "Password").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".note")).to_contain_text("You can sign in now")
    again = desk.open("#/setup?token=" + token, signed_in=False)
    for name, text in (("E-mail", "eve@example.net"), ("Name", "Eve"), ("Password", PASSWORD)):
        field(again, name).fill(text)
    again.get_by_role("button", name="Set up").click()
    expect(again.get_by_role("alert")).to_contain_text("no good")
    desk.check(again)


def join_and_sign_in(desk):
    """An invitation's link, a wrong password, then the overview."""
    page = desk.open("#/join?token=" + desk.world.read("ada.token"), signed_in=False)
    field(page, "Name").fill(PAYLOAD[:100])
    field(page, "Password").fill(PASSWORD)
    page.get_by_role("button", name="I was invited").click()
    expect(page.locator(".note")).to_be_visible()
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    field(page, "E-mail").fill("ada@example.net")
    field(page, "Password").fill("a wrong password indeed")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    field(page, "Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    desk.check(page)
    desk.keep_session(page)


def enter(page, name, expected="Overview"):
    field(page, "E-mail").fill(name + "@example.net")
    field(page, "Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    if expected:
        expect(page.get_by_role("heading", level=1)).to_have_text(expected)


def authenticator(desk):
    """Adding one, signing in with its code, taking it away."""
    page = desk.open("#/join?token=" + desk.world.read("carol.token"), signed_in=False)
    field(page, "Name").fill("Carol")
    field(page, "Password").fill(PASSWORD)
    page.get_by_role("button", name="I was invited").click()
    expect(page.locator(".note")).to_be_visible()
    page.get_by_role("link", name="Sign in").click()
    enter(page, "carol")
    desk.go(page, "#/account")
    page.get_by_role("button", name="Add authenticator").click()
    secret = page.get_by_label("Secret").input_value()
    page.get_by_label("Code").fill(totp(secret, -1))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Keep these recovery codes")).to_be_visible()
    codes = page.locator(".panel ul.mono li").all_inner_texts()
    assert len(codes) == 10, codes
    other = desk.open(signed_in=False)
    expect(other.get_by_label("Code")).to_be_hidden()
    enter(other, "carol", None)
    expect(other.get_by_label("Code")).to_be_focused()
    other.get_by_label("Code").fill(totp(secret))
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Overview")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Remove authenticator").click()
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Remove authenticator").click()
    expect(page.locator(".toast").first).to_have_text("Saved")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    desk.check(page)


def operator(desk):
    """An operator belongs to no tenant: enters one with a reason, which is noted, reads, and can change nothing."""
    page = desk.open(signed_in=False)
    enter(page, "root", "Choose a tenant")
    page.get_by_label("Tenant").fill("acme")
    page.get_by_label("Reason").fill(PAYLOAD[:60])
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    one = desk.world.ask("GET", "/v1/incidents?limit=1")["items"][0]
    desk.go(page, "#/incidents/" + one["id"])
    page.locator("section[aria-label='Work']").get_by_label("Assignee").select_option("Me")
    expect(page.locator(".toast").first).to_contain_text("scope incidents:write")
    assert desk.world.ask("GET", "/v1/incidents/" + one["id"])["revision"] >= one["revision"]
    assert "assignee" not in desk.world.ask("GET", "/v1/incidents/" + one["id"])
    desk.check(page)


def overview(desk):
    """All parts have something; the time is in the address and every link; it is live."""
    page = desk.open("#/overview?range=1h")
    desk.settle(page)
    expect(page.locator(".tile")).to_have_count(4)
    expect(page.locator("figure svg path").first).to_be_visible()
    for name in ("Top talkers", "Top services", "Top countries of destination"):
        assert page.get_by_role("region", name=name, exact=True).first.locator("tbody tr").count() > 0, name
    sensors = page.locator("section[aria-label='Sensors']")
    expect(sensors.locator(".badge.good")).to_be_visible()
    expect(sensors.get_by_text("Flows decoded")).to_be_visible()
    assert "range=1h" in page.get_by_role("link", name="Incidents", exact=True).get_attribute("href")
    chart = page.locator("figure svg")
    chart.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".reading")).to_contain_text(":")
    page.get_by_role("button", name="As a table").click()
    assert page.locator("figure table tbody tr").count() > 0
    page.get_by_label("Time").select_option("15m")
    expect(page).to_have_url(re.compile("range=15m"))
    desk.settle(page)
    page.get_by_role("button", name="From … to …").click()
    page.get_by_role("dialog").get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("from=.*to="))
    expect(page.get_by_role("button", name="Paused")).to_be_disabled()
    desk.check(page)


def live(desk):
    """What happens is shown at once, not with the next turn; what came while nobody listened comes first afterwards."""
    page = desk.open("#/incidents?range=1h")
    desk.settle(page)
    expect(page.locator(".bar .dot.on")).to_be_visible()
    one = desk.world.ask("GET", "/v1/incidents?limit=1")["items"][0]
    changed = desk.world.ask("PATCH", "/v1/incidents/" + one["id"], {"tags": {"add": ["seen-live"]}}, {"If-Match": '"%d"' % one["revision"]})
    assert changed, desk.world.refusal
    expect(page.get_by_text("#seen-live").first).to_be_visible(timeout=5_000)
    page.get_by_role("button", name="Live").click()
    expect(page.locator(".bar .dot.on")).to_have_count(0)
    changed = desk.world.ask("PATCH", "/v1/incidents/" + one["id"], {"tags": {"add": ["seen-later"]}}, {"If-Match": '"%d"' % changed["revision"]})
    with page.expect_request("**/v1/live/incidents?after=*") as asked:
        page.get_by_role("button", name="Paused").click()
    assert int(asked.value.url.split("after=")[1]) > 0
    expect(page.get_by_text("#seen-later").first).to_be_visible(timeout=5_000)
    desk.check(page)


def explore(desk):
    """Completion, a filter that is wrong at a place, one that is right, what is asked with it."""
    page = desk.open("#/explore?range=1h")
    desk.settle(page)
    line = page.get_by_role("combobox", name="Filter", exact=True)
    line.type("proto t")
    expect(page.get_by_role("option", name="tcp")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(line).to_have_value("proto tcp ")
    line.type("and dst prot 443")
    page.keyboard.press("Enter")
    expect(page.locator(".squiggle mark")).to_have_text("prot")
    expect(line).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Perhaps: port").click()
    desk.settle(page)
    expect(page).to_have_url(re.compile("dst\\+port\\+443"))
    line.fill("dst port 443")
    page.keyboard.press("Enter")
    desk.settle(page)
    expect(page).to_have_url(re.compile("filter=dst\\+port\\+443"))
    flows = page.locator("section[aria-label='Flows']")
    assert flows.locator("tbody tr").count() > 0
    page.get_by_label("Sum by").select_option("sourceAddress")
    desk.settle(page)
    page.get_by_role("button", name="Compare with").click()
    desk.settle(page)
    expect(page).to_have_url(re.compile("compare=1"))
    assert page.locator("section[aria-label='The largest'] tbody tr").count() > 0
    assert page.locator("section[aria-label^='Percentiles'] tbody tr").count() > 0
    expect(page.get_by_text("Segments", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    with open(download.value.path()) as file:
        assert "sourceIPAddress" in file.readline()
    host = page.locator("section[aria-label='The largest'] tbody a").first.inner_text()
    page.get_by_label("Indicators").fill(host + " 203.0.113.250")
    page.get_by_role("button", name="Search all history").click()
    assert host in page.locator("section[aria-label^='Who met'] tbody").inner_text()
    desk.check(page)


def sensors(desk):
    page = desk.open("#/sensors?range=1h")
    desk.settle(page)
    page.get_by_role("link", name="hq:edge1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("hq:edge1")
    desk.settle(page)
    assert page.locator("section[aria-label='Exporters'] tbody tr").count() > 0
    page.get_by_role("button", name="Ask to send again").click()
    page.get_by_role("dialog").get_by_role("button", name="Ask to send again").click()
    expect(page.locator(".toast").first).to_contain_text("next heartbeat")
    desk.check(page)


def rules(desk):
    """Detectors, a tenant's own rule turned off and on, a text checked."""
    page = desk.open("#/rules?range=1h")
    desk.settle(page)
    assert page.locator("section[aria-label='Built-in detectors'] tbody tr").count() > 5
    state = page.locator("section[aria-label='Sigma rules'] tbody select").first
    state.select_option("test")
    expect(page.locator(".toast").first).to_have_text("Saved")
    assert [one["state"] for one in desk.world.ask("GET", "/v1/sigma/rules")["items"]] == ["test"]
    page.get_by_role("link", name="New rule").click()
    page.get_by_role("textbox", name="Rule (Sigma, YAML)").fill("title: " + PAYLOAD)
    expect(page.get_by_text("Refused")).to_be_visible()
    desk.check(page)


def intelligence(desk):
    page = desk.open("#/intelligence?range=1h")
    desk.settle(page)
    page.get_by_label("Indicator").fill("192.0.2.1")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_text("No feed knows it.")).to_be_visible()
    page.get_by_label("Indicator").fill(PAYLOAD)
    page.get_by_role("button", name="Look up").click()
    desk.settle(page)
    desk.check(page)


def administration(desk):
    """Somebody is invited and comes in by the link; a key is made and revoked; the chain is whole."""
    page = desk.open("#/administration?range=1h")
    desk.settle(page)
    page.get_by_role("button", name="Invite", exact=True).click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("E-mail").fill("bob@example.net")
    sheet.get_by_label("Role").select_option("analyst")
    sheet.get_by_role("button", name="Invite").click()
    link = page.get_by_role("dialog", name="A link for one use").get_by_role("textbox").input_value()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("bob@example.net")).to_be_visible()
    guest = desk.open(link.split("/console/")[1], signed_in=False)
    field(guest, "Name").fill("Bob")
    field(guest, "Password").fill(PASSWORD)
    guest.get_by_role("button", name="I was invited").click()
    expect(guest.locator(".note")).to_contain_text("You can sign in now")
    page.get_by_role("button", name="Make a key").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Name").fill(PAYLOAD[:60])
    sheet.get_by_role("button", name="Make a key").click()
    made = page.get_by_role("dialog", name="The new key")
    assert made.get_by_role("textbox").input_value().startswith("weir_")
    made.get_by_role("button", name="Close").click()
    page.get_by_role("row", name=re.compile("onerror")).get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name=re.compile("onerror")).get_by_text("Revoked")).to_be_visible()
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("The chain of events is whole.")).to_be_visible()
    desk.check(page)


def languages(desk):
    """German and French: words, plurals, numbers; kept for the next time."""
    page = desk.open("#/incidents?range=1h", language="de-DE")
    desk.settle(page)
    assert page.evaluate("document.documentElement.lang") == "de"
    expect(page.get_by_role("heading", level=1)).to_have_text("Vorfälle")
    found = page.evaluate("""async () => {
        const words = await import("/console/code/words.js"), seen = {};
        for (const language of ["en", "de", "fr"]) {
            await words.speak(language);
            seen[language] = [words.t("incidents.count", { n: 0 }), words.t("incidents.count", { n: 1 }), words.t("incidents.count", { n: 12345 }), words.bytes(1500)];
        }
        return seen;
    }""")
    clean = {name: [re.sub(r"[\u00a0\u202f]", " ", text) for text in texts] for name, texts in found.items()}
    assert clean["en"] == ["0 incidents", "1 incident", "12,345 incidents", "1.5 kB"], clean
    assert clean["de"] == ["0 Vorfälle", "1 Vorfall", "12.345 Vorfälle", "1,5 kB"], clean
    assert clean["fr"] == ["0 incident", "1 incident", "12 345 incidents", "1,5 ko"], clean
    desk.go(page, "#/account")
    page.get_by_label("Language").or_(page.get_by_label("Langue")).or_(page.get_by_label("Sprache")).select_option("fr")
    expect(page.get_by_role("button", name="Se déconnecter")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Se déconnecter")).to_be_visible()
    desk.check(page)


def theme(desk):
    page = desk.open("#/account")
    desk.settle(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_label("Theme").select_option("dark")
    assert page.evaluate(ground) != light
    page.reload()
    desk.settle(page)
    assert page.evaluate(ground) != light
    desk.check(page)


def errors(desk):
    """A part that fails says so and tries again; a session that is over leads to signing in; no network is said."""
    page = desk.open("#/sensors")
    desk.settle(page)
    page.route("**/v1/sensors", lambda route: route.fulfill(status=503, content_type="application/problem+json", body='{"title":"Not now","status":503}'))
    page.reload()
    expect(page.get_by_role("alert").first).to_contain_text("Not now")
    page.unroute("**/v1/sensors")
    page.route("**/v1/sensors", lambda route: route.abort())
    page.get_by_role("button", name="Try again").first.click()
    page.unroute("**/v1/sensors")
    page.reload()
    expect(page.get_by_role("link", name="hq:edge1")).to_be_visible()
    page.context.clear_cookies()
    desk.go(page, "#/sensors/hq%3Aedge1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    empty = desk.open("#/explore?range=1h&filter=proto+sctp+and+dst+port+7")
    desk.settle(empty)
    expect(empty.get_by_text("No flow matches in this time.").first).to_be_visible()
    desk.check(empty)


first = [("setting up with the one-time link", set_up), ("joining, and signing in", join_and_sign_in)]
tests = [("signing in with an authenticator", authenticator), ("an operator's visit", operator), ("overview", overview), ("overview is live", live)] + triage.tests + [
    ("explore", explore), ("sensors and exporters", sensors), ("rules", rules), ("intelligence", intelligence), ("administration", administration),
    ("languages", languages), ("theme", theme), ("errors, empty answers, a session's end", errors)] + hunting.tests
