"""Work on incidents: the queue by keys alone, and all that one incident's page does."""
import re

from playwright.sync_api import expect

from world import PAYLOAD


def incidents(desk, query=""):
    return desk.world.ask("GET", "/v1/incidents?limit=100" + query)["items"]


def by_keys(desk):
    """From the top of the page to a changed status and back without a mouse, and the focus is seen all the way."""
    page = desk.open("#/incidents?range=1h")
    desk.settle(page)
    for _ in range(60):
        page.keyboard.press("Tab")
        seen = page.evaluate("""() => { const one = document.activeElement, style = getComputedStyle(one);
            return [one.tagName, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2]; }""")
        assert seen[0] in ("BODY", "MAIN") or seen[1], seen
        if page.evaluate("() => Boolean(document.activeElement.closest('tr[data-id]'))"):
            break
    else:
        raise AssertionError("Tab does not come to the queue")
    row = lambda: page.evaluate("() => document.activeElement.closest('tr[data-id]')?.dataset.id")  # noqa: E731
    first = row()
    page.keyboard.press("j")
    second = row()
    assert first and second and first != second
    page.keyboard.press("t")
    expect(page.locator(".toast").first).to_contain_text("1 incident changed")
    assert desk.world.ask("GET", "/v1/incidents/" + second)["status"] == "triaged"
    assert desk.world.ask("GET", "/v1/incidents/" + first)["status"] == "new"
    expect(page.locator('tr[data-id="%s"]' % second).get_by_text("Triaged")).to_be_visible()
    page.locator(".toast button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator('tr[data-id="%s"]' % second).get_by_text("New")).to_be_visible()
    assert desk.world.ask("GET", "/v1/incidents/" + second)["status"] == "new"
    page.locator('tr[data-id="%s"] input' % second).focus()
    page.keyboard.press("k")
    assert row() == first
    page.keyboard.press("a")
    expect(page.locator('tr[data-id="%s"]' % first).get_by_text("Me")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator('tr[data-id="%s"] input' % first).focus()
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile("incidents/" + re.escape(first)))
    desk.check(page)


def bulk_and_filters(desk):
    """Two at once, filters in the address, one kept by a hostile name and taken away."""
    page = desk.open("#/incidents?range=1h")
    desk.settle(page)
    boxes = page.locator("tr[data-id] input")
    boxes.nth(0).check()
    boxes.nth(1).check()
    bulk = page.get_by_role("region", name="What is picked")
    expect(bulk).to_contain_text("2 picked")
    picked = page.locator("tr.picked").evaluate_all("(rows) => rows.map((row) => row.dataset.id)")
    bulk.get_by_label("Set status").select_option("in-progress")
    expect(page.locator(".toast").first).to_contain_text("2 incidents changed")
    assert sorted(one["id"] for one in incidents(desk, "&status=in-progress")) == sorted(picked)
    page.get_by_label("Status", exact=True).select_option("in-progress")
    expect(page).to_have_url(re.compile("status=in-progress"))
    expect(page.get_by_text("2 incidents", exact=True)).to_be_visible()
    page.get_by_role("button", name="Keep this filter").click()
    page.get_by_role("dialog").get_by_label("Name").fill(PAYLOAD[:40])
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Clear").click()
    expect(page).not_to_have_url(re.compile("status="))
    page.get_by_role("button", name=PAYLOAD[:40], exact=True).click()
    expect(page).to_have_url(re.compile("status=in-progress"))
    page.get_by_role("button", name="Drop filter").click()
    expect(page.get_by_role("button", name=PAYLOAD[:40], exact=True)).to_have_count(0)
    desk.check(page)


def one_incident(desk):
    """Summary, timeline, evidence; a comment, a tag, a task, a verdict, all hostile; who is late is told."""
    one = next(item for item in incidents(desk) if "<img" not in item["title"])
    page = desk.open("#/incidents/%s?range=1h" % one["id"])
    desk.settle(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(one["title"])
    for name in ("What happened", "Timeline", "Who takes part", "Findings", "History"):
        assert page.locator("section[aria-label='%s']" % name).inner_text().strip(), name
    expect(page.locator("section[aria-label^='Evidence'] svg path").first).to_be_visible()
    assert page.locator("section[aria-label='Flows'] tbody tr").count() > 0
    desk_panel = page.locator("section[aria-label='Work']")
    desk_panel.get_by_label("Comment", exact=True).fill(PAYLOAD)
    desk_panel.get_by_role("button", name="Add comment").click()
    expect(page.locator("section[aria-label='Timeline']")).to_contain_text(PAYLOAD)
    desk_panel.get_by_label("Add tag").fill("console-test")
    desk_panel.get_by_role("button", name="Add tag").click()
    expect(desk_panel.get_by_role("button", name="Remove tag console-test")).to_be_visible()
    desk_panel.get_by_label("Add task").fill(PAYLOAD[:80])
    desk_panel.get_by_role("button", name="Add task").click()
    expect(desk_panel.get_by_text(PAYLOAD[:80])).to_be_visible()
    desk_panel.get_by_label(PAYLOAD[:80]).select_option("done")
    expect(page.locator(".toast").last).to_contain_text("Saved")
    desk_panel.get_by_label("Assignee").select_option("Me")
    desk.world.wait("the assignee", lambda: "assignee" in desk.world.ask("GET", "/v1/incidents/" + one["id"]))
    desk.settle(page)
    desk_panel.get_by_label("Verdict").select_option("true-positive")
    desk.world.wait("the verdict", lambda: "verdict" in desk.world.ask("GET", "/v1/incidents/" + one["id"]))
    now = desk.world.ask("GET", "/v1/incidents/" + one["id"])
    assert "console-test" in now["tags"] and now["tasks"][0]["state"] == "done" and now["verdict"]["kind"] == "true-positive" and now["assignee"], now
    # Somebody else is faster.
    assert desk.world.ask("PATCH", "/v1/incidents/" + one["id"], {"comment": "me first", "status": "triaged"}, {"If-Match": '"%d"' % now["revision"]}), desk.world.refusal
    desk_panel.get_by_label("Status", exact=True).select_option("contained")
    expect(page.get_by_text("Somebody changed it meanwhile")).to_be_visible()
    expect(page.locator("section[aria-label='Timeline']")).to_contain_text("me first")
    desk_panel.get_by_label("Status", exact=True).select_option("contained")
    expect(page.locator("section[aria-label='Work']").get_by_label("Status", exact=True)).to_have_value("contained")
    desk.world.wait("the status", lambda: desk.world.ask("GET", "/v1/incidents/" + one["id"])["status"] == "contained")
    desk.settle(page)  # the last way back is this change's only once it was answered
    page.locator(".toast button").last.click()
    expect(page.locator(".head").get_by_text("Contained")).to_have_count(0)
    desk.check(page)


def exceptions(desk):
    """What an exception would have hidden is shown before it is made; it is listed and ended."""
    one = next(item for item in incidents(desk) if "<img" not in item["title"])
    page = desk.open("#/incidents/%s?range=1h" % one["id"])
    desk.settle(page)
    page.get_by_role("button", name="Exception").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_role("button", name="Preview").click()
    expect(sheet.get_by_text("Findings hidden")).to_be_visible()
    sheet.get_by_label("Reason").fill(PAYLOAD)
    sheet.get_by_label("Owner").fill(PAYLOAD[:50])
    sheet.get_by_role("button", name="Make exception").click()
    expect(page.locator(".toast").first).to_have_text("Saved")
    desk.go(page, "#/rules?range=1h")
    panel = page.locator("section[aria-label='Exceptions']")
    expect(panel).to_contain_text(PAYLOAD)
    panel.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End").click()
    expect(panel).to_contain_text("Ended")
    desk.check(page)


def merge_and_undo(desk):
    """Two become one, and two again; the history says so."""
    two = [item for item in incidents(desk) if "<img" not in item["title"]][:2]
    page = desk.open("#/incidents/%s?range=1h" % two[0]["id"])
    desk.settle(page)
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("dialog").get_by_label("The other incident").fill(two[1]["id"])
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    history = page.locator("section[aria-label='History']")
    expect(history).to_contain_text("Absorbed another")
    assert desk.world.ask("GET", "/v1/incidents/" + two[1]["id"]).get("mergedInto") == two[0]["id"]
    history.get_by_role("row", name=re.compile("Absorbed")).get_by_role("button", name="Undo").click()
    expect(history).to_contain_text("Merge taken back")
    assert desk.world.ask("GET", "/v1/incidents/" + two[1]["id"]).get("mergedInto") is None
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("dialog").get_by_label("The other incident").fill(two[1]["id"])
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    picks = page.locator("input.finding")
    expect(history.get_by_role("row", name=re.compile("Absorbed"))).to_have_count(2)
    desk.settle(page)
    count = picks.count()
    assert count >= 2
    picks.nth(0).check()
    page.get_by_role("button", name="Split off").click()
    page.get_by_role("dialog").get_by_role("button", name="Split off").click()
    expect(picks).to_have_count(count - 1)
    history.get_by_role("row", name=re.compile("Split")).get_by_role("button", name="Undo").click()
    expect(picks).to_have_count(count)
    desk.check(page)


tests = [("triage by keys alone", by_keys), ("bulk changes and filters", bulk_and_filters), ("one incident", one_incident),
         ("exceptions", exceptions), ("merge, split and the way back", merge_and_undo)]
