"""How the pages look: WCAG by axe in both themes, no page wider than its window from 360 px on, headers, pictures."""
import os
import ssl
import urllib.error
import urllib.request

import axe_playwright_python

AXE = os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}


def places(desk):
    incident = next(one["id"] for one in desk.world.ask("GET", "/v1/incidents?limit=100")["items"] if "<img" not in one["title"])
    names = ["overview", "incidents", "incidents/" + incident, "explore", "explore?by=sourceAddress&compare=1&filter=dst+prot+443", "sensors", "sensors/hq%3Aedge1",
             "sensors/add", "rules", "rules/sigma/11111111-2222-4333-8444-555555555555", "rules/detector/port-scan", "map", "reports",
             "intelligence?indicator=192.0.2.1", "administration", "account"]
    return [name + ("&" if "?" in name else "?") + "range=15m" for name in names]


def name_of(place):
    parts = place.split("?")[0].split("/")
    return "-".join(parts[:2] if parts[0] == "rules" or parts[-1] == "add" else parts[:1]) + ("-one" if len(parts) > 1 else "") + ("-wrong" if "prot+443" in place else "")


def audit(page, place):
    with open(AXE) as file:
        page.evaluate(file.read() + "\n0")
    found = page.evaluate("(tags) => axe.run({ runOnly: tags }).then(({ violations }) => violations)", TAGS)
    assert found == [], (place, [(one["id"], [(node["html"][:160], node["failureSummary"][:200]) for node in one["nodes"][:3]]) for one in found])


def fits(page, place):
    wide = page.evaluate("""() => {
        const most = document.documentElement.clientWidth;
        const inside = (one) => one.closest(".scroll, .chart, .unseen, .squiggle");
        const out = [...document.querySelectorAll("body *")].filter((one) => !inside(one.parentElement) && one.getBoundingClientRect().right > most + 1);
        return [document.documentElement.scrollWidth > most, out.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))];
    }""")
    assert wide == [False, []], (place, wide)


def each(desk, theme, size):
    width, height = SIZES[size]
    page = desk.open("#/overview?range=15m", theme=theme, width=width, height=height, reduced_motion="reduce")
    faults = []
    if (theme, size) == ("dark", "phone") and not desk.shots:
        return desk.check(page)  # colours are tried at the desktop's size, widths in light: this is for pictures
    for place in places(desk):
        desk.go(page, "#/" + place)
        shoot(desk, page, name_of(place), theme, size)
        judge(page, place, faults)
    alone = desk.open(signed_in=False, theme=theme, width=width, height=height)
    for place in ("sign-in", "setup", "join", "forgot", "reset"):
        desk.go(alone, "#/" + place)
        shoot(desk, alone, place, theme, size)
        judge(alone, place, faults)
    assert faults == [], "\n".join(map(str, faults))
    desk.check(page)


def judge(page, place, faults):
    for check in (audit, fits):
        try:
            check(page, place)
        except AssertionError as fault:
            faults.append(fault)


def shoot(desk, page, name, theme, size):
    if desk.shots:
        os.makedirs(desk.shots, exist_ok=True)
        page.screenshot(path=os.path.join(desk.shots, "%s-%s-%s.png" % (name, theme, size)), full_page=True)


def still(desk):
    """Who wants less motion has none."""
    page = desk.open("#/overview", reduced_motion="reduce")
    desk.settle(page)
    moving = page.evaluate("() => [...document.querySelectorAll('*')].filter((one) => getComputedStyle(one).animationName !== 'none').length")
    assert moving == 0, moving


def headers(desk):
    """What the pages are served with, by the program itself."""
    context = ssl.create_default_context(cafile=os.path.join(desk.world.folder, "pki/ca.pem"))
    for path in ("/console/", "/console/code/start.js", "/console/style.css"):
        with urllib.request.urlopen(desk.world.url + path, context=context) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "require-trusted-types-for 'script'" in policy, policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["ETag"] and answer.headers["Strict-Transport-Security"]
        again = urllib.request.Request(desk.world.url + path, headers={"If-None-Match": answer.headers["ETag"]})
        try:
            urllib.request.urlopen(again, context=context)
            raise AssertionError("no 304 for " + path)
        except urllib.error.HTTPError as error:
            assert error.code == 304


def offline(desk):
    """The pages open without a network once they were seen (service worker), and say that there is none."""
    context = desk.browser.new_context(ignore_https_errors=True, storage_state=desk.state)
    page = context.new_page()
    page.goto(desk.world.url + "/console/#/overview")
    page.evaluate("() => Promise.race([navigator.serviceWorker.ready, new Promise((_, no) => setTimeout(() => no(new Error('no worker')), 8000))]).then(() => 1)")
    page.reload()
    page.wait_for_selector("h1")
    context.set_offline(True)
    page.reload()
    page.get_by_text("can't be reached").first.wait_for()
    context.close()


tests = [("looks: %s, %s" % (theme, size), lambda desk, theme=theme, size=size: each(desk, theme, size)) for theme in ("light", "dark") for size in SIZES] + [
    ("looks: no motion for who wants none", still), ("the pages' headers", headers), ("the pages open without a network", offline)]
