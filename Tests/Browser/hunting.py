"""Rules, detectors, the map, reports, named networks, roles and programs, a sensor that is added: the analyst's tools."""
import re

from playwright.sync_api import expect

from world import PAYLOAD

RULE = """title: Backtested
id: 22222222-2222-4333-8444-555555555555
status: test
logsource:
  category: network_connection
detection:
  any:
    DestinationPort: 443
  condition: any
level: low
"""
SIGMA = "/v1/sigma/rules/22222222-2222-4333-8444-555555555555"


def sigma_editor(desk):
    """A rule is written, what is wrong is marked at its line, tried on flows and on history, brought on its course; versions differ."""
    page = desk.open("#/rules/sigma/new?range=1h")
    desk.settle(page)
    area = page.get_by_role("textbox", name="Rule (Sigma, YAML)")
    expect(page.locator("section[aria-label^='Rule'] .badge")).to_have_text("Fine")
    area.fill(RULE.replace("DestinationPort", "NoSuchField"))
    expect(page.locator("section[aria-label^='Rule'] .badge")).to_have_text("Refused")
    expect(page.locator(".numbers .bad").first).to_be_visible()
    expect(page.locator("#issues")).to_contain_text("NoSuchField")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast").first).to_contain_text("not saved")
    assert desk.world.ask("GET", SIGMA) is None
    area.fill(RULE)
    expect(page.locator("section[aria-label^='Rule'] .badge")).to_have_text("Fine")
    page.get_by_role("button", name="On history").click()
    trial = page.locator("section[aria-label='Try it']")
    expect(trial.locator(".tile").first).to_be_visible()
    assert int(trial.locator(".tile strong").first.inner_text().replace(",", "")) > 0
    expect(trial.locator("figure svg path").first).to_be_visible()
    page.get_by_text("Flows to try it on").click()
    page.get_by_role("button", name="Take flows").click()
    sample = page.get_by_role("textbox", name="Flows to try it on")
    expect(sample).to_have_value(re.compile("octetDeltaCount"))
    sample.fill('[{"sourceIPv4Address": "10.1.0.1", "destinationIPv4Address": "192.0.2.1", "destinationTransportPort": 443, "protocolIdentifier": 6}]')
    page.get_by_role("button", name="Test", exact=True).click()
    expect(trial.locator(".tile").first).to_contain_text("1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Backtested")
    assert desk.world.ask("GET", SIGMA)["state"] == "draft"
    for name, state in (("To: Test", "test"), ("To: Enabled", "enabled")):
        page.get_by_role("button", name=name).click()
        expect(page.locator(".course [aria-current]")).to_have_text({"test": "Test", "enabled": "Enabled"}[state])
        assert desk.world.ask("GET", SIGMA)["state"] == state
    area.fill(RULE.replace("443", "8443") + "description: " + PAYLOAD[:30].replace("<", "").replace('"', "") + "\n")
    expect(page.locator("section[aria-label^='Rule'] .badge")).to_have_text("Fine")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("section[aria-label='Versions'] tbody tr")).to_have_count(4)
    page.locator("section[aria-label='Versions'] tbody tr").first.get_by_role("button", name="What changed").click()
    expect(page.locator(".diff ins", has_text="8443")).to_be_visible()
    expect(page.locator(".diff del", has_text=": 443")).to_be_visible()
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator(".badge", has_text="Disabled")).to_be_visible()
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(page).to_have_url(re.compile("#/rules\\?"))
    desk.check(page)


def detector(desk):
    """Limits of a built-in detector: what others would have found, saved, and taken back; a rule is switched off and on."""
    page = desk.open("#/rules/detector/port-scan?range=1h")
    desk.settle(page)
    assert page.locator("section[aria-label^='Quality'] tbody tr").count() == 2
    ports = page.get_by_role("spinbutton", name="scanPortsMin")
    ports.fill("9999999")
    page.get_by_role("button", name="On history").click()
    expect(page.get_by_text("out of its range")).to_be_visible()
    ports.fill("4096")
    page.get_by_role("button", name="On history").click()
    trial = page.locator("section[aria-label='Try it']")
    expect(trial.locator(".tile")).to_have_count(5)
    expect(trial.get_by_role("heading", name="Lost")).to_be_visible()
    page.get_by_label("Port scan of one host").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast").first).to_have_text("Saved")
    own = desk.world.ask("GET", "/v1/detectors")["own"]
    assert own["limits"] == {"scanPortsMin": 4096} and own["off"] == ["port-scan-vertical"], own
    page.get_by_role("button", name="As it comes").click()
    expect(page.get_by_role("spinbutton", name="scanPortsMin")).to_have_value("8")
    desk.world.wait("the limits", lambda: desk.world.ask("GET", "/v1/detectors")["own"]["limits"] == {})
    desk.check(page)


def world_map(desk):
    """Attackers' countries by incident, traffic's by octets: the table says it, and the map where there is one."""
    page = desk.open("#/map?range=1h")
    desk.settle(page)
    countries = page.locator("section[aria-label='By country']")
    brazil = countries.get_by_role("row", name=re.compile("^Brazil"))
    assert int(brazil.locator("td").nth(1).inner_text()) >= 2, brazil.inner_text()
    expect(page.locator("section[aria-label='Sites']")).to_contain_text("hq")
    if desk.world.has_map():
        assert page.locator(".land").count() > 150
        expect(page.locator(".threats").first).to_have_text(brazil.locator("td").nth(1).inner_text())
    page.route("**/assets/list.json", lambda route: route.fulfill(body="[]", content_type="application/json"))
    page.reload()
    expect(page.get_by_text("No map is installed here")).to_be_visible()
    desk.check(page)


def report(desk):
    """All parts have something, parts are picked in the address, and it prints without the frame."""
    page = desk.open("#/reports?range=1h")
    desk.settle(page)
    for name in ("Summary", "Incidents", "Traffic", "Compliance"):
        assert len(page.locator("section[aria-label='%s']" % name).inner_text()) > 60, name
    expect(page.get_by_text("The chain of events is whole.")).to_be_visible()
    page.get_by_role("checkbox", name="Compliance").uncheck()
    expect(page).to_have_url(re.compile("parts=summary%2Cincidents%2Ctraffic"))
    expect(page.locator("section[aria-label='Compliance']")).to_have_count(0)
    page.emulate_media(media="print")
    expect(page.locator(".places")).to_be_hidden()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    assert page.pdf(format="A4").startswith(b"%PDF")
    desk.check(page)


def graph_and_history(desk):
    """Who spoke to whom and the course along ATT&CK are drawn, with tables; the history says what each change was."""
    one = next(item for item in desk.world.ask("GET", "/v1/incidents?limit=100&rule=port-scan-horizontal")["items"])
    page = desk.open("#/incidents/%s?range=1h" % one["id"])
    desk.settle(page)
    graph = page.locator("section[aria-label='Who spoke to whom']")
    assert graph.locator(".tie.attacker").count() > 3
    graph.get_by_text("As a table").click()
    expect(graph.locator("tbody tr").first).to_contain_text(re.compile(r"203\.0\.113\.1[01]"))
    assert page.locator("section[aria-label='Timeline'] rect.bar").count() >= 2
    expect(page.locator("section[aria-label='Timeline']")).to_contain_text("Reconnaissance")
    assert desk.world.ask("PATCH", "/v1/incidents/" + one["id"], {"tags": {"add": ["drawn"]}}, {"If-Match": '"%d"' % one["revision"]}), desk.world.refusal
    expect(page.locator("section[aria-label='History']")).to_contain_text("+drawn")
    desk.check(page)


def networks_and_views(desk):
    """A named network is made, used in a filter, and forgotten; a question is kept by a name and comes back."""
    page = desk.open("#/intelligence?range=1h")
    desk.settle(page)
    page.get_by_role("button", name="Name networks").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Name", exact=True).fill("office")
    sheet.get_by_label("Networks").fill("10.1.0.0/16\n10.2.0.0/16")
    sheet.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="@office").click()
    expect(page).to_have_url(re.compile("explore.*office"))
    desk.settle(page)
    assert page.locator("section[aria-label='Flows'] tbody tr").count() > 0
    assert page.locator("section[aria-label='What goes where'] .band").count() > 0
    expect(page.locator("section[aria-label='What goes where'] svg")).to_contain_text("10.1.0.0/24")
    page.get_by_label("From what through what").select_option("site,service")
    expect(page).to_have_url(re.compile("course=site"))
    page.get_by_role("button", name="Keep this filter").click()
    page.get_by_role("dialog").get_by_label("Name").fill("the office")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    desk.go(page, "#/explore?range=1h")
    page.get_by_role("button", name="the office", exact=True).click()
    expect(page).to_have_url(re.compile("filter=.*office.*course=site|course=site.*filter=.*office"))
    desk.go(page, "#/intelligence?range=1h")
    page.get_by_role("row", name=re.compile("@office")).get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No network has a name yet.")).to_be_visible()
    assert desk.world.ask("GET", "/v1/networks")["items"] == []
    desk.check(page)


def roles_and_programs(desk):
    """A role of the tenant's own, a program's account with it, a key for that; all taken away again."""
    page = desk.open("#/administration?range=1h")
    desk.settle(page)
    page.get_by_role("button", name="Make a role").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Name", exact=True).fill("watcher")
    sheet.get_by_label("incidents:read").check()
    sheet.get_by_role("button", name="Save").click()
    roles = page.locator("section[aria-label='Roles']")
    expect(roles.get_by_role("row", name=re.compile("^watcher"))).to_contain_text("incidents:read")
    page.get_by_role("button", name="Make an account").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Name", exact=True).fill(PAYLOAD[:40])
    sheet.get_by_label("Role").select_option("watcher")
    sheet.get_by_role("button", name="Make an account").click()
    programs = page.locator("section[aria-label='Programs']")
    programs.get_by_role("button", name="Make a key").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Name", exact=True).fill("watching")
    sheet.get_by_label("Permissions").fill("incidents:read")
    sheet.get_by_role("button", name="Make a key").click()
    made = page.get_by_role("dialog", name="The new key")
    assert made.get_by_role("textbox").input_value().startswith("weir_")
    made.get_by_role("button", name="Close").click()
    programs.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(programs.get_by_text("Disabled")).to_be_visible()
    desk.check(page)


def add_sensor(desk):
    """The steps hold what was written, names that no certificate can have are refused, and the heartbeat is seen."""
    page = desk.open("#/sensors?range=1h")
    desk.settle(page)
    page.get_by_role("link", name="Add a sensor").click()
    page.get_by_label("Name", exact=True).fill("edge9")
    expect(page.locator(".command").first).to_contain_text("--tenant acme --site hq --name edge9")
    expect(page.get_by_text("Nothing was heard of hq:edge9")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Edge 9!")
    expect(page.locator(".problem")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("edge1")
    expect(page.get_by_role("link", name="All works")).to_be_visible()
    desk.check(page)


def sign_on(desk):
    """Who names a provider that is not there stays here and is told; the name may come with a link."""
    page = desk.open("#/sign-in?at=corp", signed_in=False)
    expect(page.get_by_label("Name of its sign-on")).to_have_value("corp")
    page.get_by_role("button", name="Go on there").click()
    expect(page.get_by_role("alert")).to_contain_text("no sign-on of that name")
    page.route("**/v1/signon/corp", lambda route: route.fulfill(status=302, headers={"Location": "/console/#/sign-in?came=back"}))
    page.get_by_role("button", name="Go on there").click()
    expect(page).to_have_url(re.compile("came=back"))
    desk.check(page)


def device(desk):
    """The last incidents are kept here when somebody wants it, shown without a network, and gone with the session."""
    page = desk.open("#/account")
    desk.settle(page)
    page.get_by_label("Keep the last incidents here").check()
    desk.go(page, "#/incidents?range=1h")
    kept = "() => JSON.parse(localStorage.getItem('weir.last'))?.items.map((one) => Object.keys(one).sort().join())"
    assert set(page.evaluate(kept)) == {"end,severity,status,title"}
    page.route("**/v1/**", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("region", name="Last incidents on this device").locator("tbody tr").first).to_be_visible()
    page.unroute_all()
    page.context.clear_cookies()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.evaluate("() => localStorage.getItem('weir.last')") is None
    desk.check(page)


tests = [("Sigma's editor", sigma_editor), ("a detector's limits", detector), ("the map and its table", world_map), ("a report", report),
         ("who spoke to whom, and what changed", graph_and_history), ("named networks, kept questions", networks_and_views),
         ("roles and programs", roles_and_programs), ("adding a sensor", add_sensor), ("signing in at a provider", sign_on),
         ("what a device keeps", device)]
