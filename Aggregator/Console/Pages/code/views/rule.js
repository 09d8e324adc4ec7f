// One Sigma rule: written with what is wrong said at once, tried on flows and on history, brought from draft to test to
// enabled; and what it was before.

import { ask, get, part } from "../api.js";
import { diffView } from "../diff.js";
import { fill, h } from "../dom.js";
import { incomplete } from "../flows.js";
import { badge, button, confirm, exactly, failed, failure, none, panel, table, toast } from "../parts.js";
import { go, link, period } from "../place.js";
import { number, t, word } from "../words.js";
import { counted, foundTable, hosts, wouldFire } from "./trial.js";

const course = ["draft", "test", "enabled"], checkMilliseconds = 350, sampleMax = 50;
const template = () => `title: ${t("sigma.new.title")}
id: ${crypto.randomUUID()}
status: experimental
logsource:
  category: network_connection
detection:
  suspicious:
    DestinationPort: 4444
  condition: suspicious
level: medium
`;

export default function rule({ id, signal }) {
  const isNew = id === "new", heading = h("h1", {}, isNew ? t("sigma.new") : "…"), state = h("div", { class: "row" });
  const editor = makeEditor(signal), trial = h("div", { class: "stack", role: "status" });
  let now = null;
  const buttons = h("div", { class: "row" });
  const write = h("section", { class: "panel half", "aria-label": t("sigma.text") },
    h("header", {}, h("h2", {}, t("sigma.text")), editor.verdict), editor.node, buttons);
  const versions = panel(t("versions"), () => (isNew ? { items: [] } : get(`${path()}/versions`, {}, signal)),
    ({ items }) => drawVersions(items, editor));
  const path = () => `/v1/sigma/rules/${part(id)}`;

  async function refresh() {
    if (isNew) {
      if (!editor.text()) editor.set(template());
    } else {
      try { now = await get(path(), {}, signal); } catch (error) {
        if (error.name !== "AbortError") fill(state, failure(error, refresh));
        return;
      }
      fill(heading, now.title || now.key);
      document.title = `${now.title || now.key} – Weir`;
      if (!editor.isChanged()) editor.set(now.text || "");
      fill(state, h("ol", { class: "course" }, course.map((name) => h("li", { "aria-current": name === now.state
        ? "step" : null }, word("rule", name)))), now.state === "disabled" && badge(word("rule", "disabled"), "medium"),
      h("span", { class: "small quiet" }, `${word("origin", now.origin)} · ${t("matches")} ${number(now.matches)} · ${
        t("raised")} ${number(now.raised)}`));
    }
    drawButtons();
    await versions.refresh();
  }
  function drawButtons() {
    const at = course.indexOf(now?.state), next = course[at + 1];
    fill(buttons, button(t("save"), () => save(now?.state && now.state !== "disabled" ? now.state : "draft"),
      { class: "main" }),
    now && next && button(t("rule.to", { state: word("rule", next) }), () => save(next)),
    now && now.state !== "disabled" && button(t("rule.off"), () => save("disabled")),
    now?.state === "disabled" && button(t("rule.to", { state: word("rule", "draft") }), () => save("draft")),
    now && now.version !== undefined && button(t("rule.back"), takeBack));
  }
  async function save(wanted) {
    try {
      const checked = await editor.check();
      if (!checked.ok) return toast(t("sigma.refused"));
      const key = isNew ? checked.items[0].key : id;
      // A shared rule whose text nobody changed stays shared: only its state is said.
      const text = now && now.origin !== "own" && !editor.isChanged() ? {} : { text: editor.text() };
      await ask("PUT", `/v1/sigma/rules/${part(key)}`, { body: { ...text, state: wanted } });
      editor.kept();
      toast(t("saved"));
      if (isNew) return go(`/rules/sigma/${encodeURIComponent(key)}`);
    } catch (error) { failed(error); }
    await refresh();
  }
  const takeBack = () => confirm(t("rule.back"), t("rule.back.text"), async () => {
    await ask("DELETE", path());
    go("/rules");
  });

  const sample = h("textarea", { rows: 8, spellcheck: "false", class: "mono small", "aria-label": t("sample"),
    placeholder: '[{"sourceIPv4Address": "192.0.2.1", "destinationTransportPort": 4444}]' });
  const run = (act) => async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    fill(trial, h("div", { class: "waits" }));
    try { fill(trial, await act()); } catch (error) { fill(trial, failure(error)); }
    pressed.disabled = false;
  };
  async function fetchSample() {
    const { from, to } = period();
    try {
      const { items } = await get("/v1/flows", { from: Math.round(from), to: Math.round(to), limit: sampleMax }, signal);
      sample.value = JSON.stringify(items, null, 1);
    } catch (error) { failed(error); }
  }
  async function testSample() {
    let flows;
    try { flows = JSON.parse(sample.value); } catch (error) { throw Object.assign(error, { status: 400 }); }
    const answer = await ask("POST", "/v1/sigma/rules/test",
      { body: { text: editor.text(), flows: Array.isArray(flows) ? flows : [flows] } });
    const matches = answer.outcome.rules.reduce((all, one) => all + one.matches, 0);
    return [counted([[t("matches"), matches], [t("would.fire"), answer.outcome.wouldFire]]),
      foundTable(t("findings"), answer.outcome.findings), hosts(answer.outcome)];
  }
  async function backtest() {
    const between = period(), time = { from: Math.round(between.from), to: Math.round(between.to) };
    const answer = await ask("POST", "/v1/sigma/rules/backtest", { query: time, body: { text: editor.text() }, signal });
    return [counted([[t("would.fire"), answer.outcome.wouldFire], [t("would.fire.now"), answer.current?.wouldFire],
      [t("gained"), answer.gained, "high"], [t("lost"), answer.lost, "medium"], [t("records"), answer.records]]),
    answer.outcome.findings.length > 0 && wouldFire(t("backtest"), answer.outcome.findings, between,
      answer.current?.findings),
    foundTable(t("findings"), answer.outcome.findings), hosts(answer.outcome), incomplete(answer)];
  }
  const tries = h("section", { class: "panel half", "aria-label": t("trial") }, h("header", {}, h("h2", {}, t("trial")),
    button(t("backtest"), run(backtest), { title: t("backtest.hint") })),
  h("p", { class: "small quiet" }, t("backtest.hint")), trial,
  h("details", {}, h("summary", {}, t("sample")), h("div", { class: "stack" }, sample, h("div", { class: "row" },
    button(t("sample.fetch"), fetchSample), button(t("sample.test"), run(testSample))))));
  return {
    title: isNew ? t("sigma.new") : t("rule"),
    nodes: [h("div", { class: "head" }, h("div", { class: "stack" }, heading, state),
      h("a", { class: "button", href: link("/rules") }, t("place.rules"))),
    h("div", { class: "grid" }, write, tries, versions.node)],
    refresh: () => (now || (isNew && editor.text()) ? null : refresh()),
  };
}

function drawVersions(items, editor) {
  if (!items.length) return none(t("versions.none"));
  const place = h("div", {});
  const texts = items.filter(({ text }) => text);
  return [table(t("versions"), [
    { title: "№", kind: "figure", cell: (one) => number(one.version) },
    { title: t("time"), kind: "fit", cell: (one) => exactly(one.at) },
    { title: t("actor"), cell: (one) => one.actor },
    { title: t("state"), kind: "fit", cell: (one) => (one.state ? word("rule", one.state) : "–") },
    { title: t("act"), hidden: true, kind: "fit", cell: (one) => one.text && h("span", { class: "row" },
      button(t("diff"), () => {
        const before = texts[texts.indexOf(one) + 1];
        fill(place, h("h3", {}, t("diff.of", { n: one.version })), diffView(before?.text || "", one.text));
      }), button(t("version.take"), () => editor.write(one.text))) },
  ], items), place];
}

/** A text with numbered lines; what is wrong is marked there and listed below. */
function makeEditor(signal) {
  const numbers = h("div", { class: "numbers", "aria-hidden": "true" }), issues = h("div", { class: "stack", id: "issues" });
  const verdict = h("span", { role: "status" });
  const area = h("textarea", { class: "mono", wrap: "off", spellcheck: "false", autocapitalize: "off", rows: 16,
    "aria-label": t("sigma.text"), "aria-describedby": "issues", oninput: typed, onkeydown: press });
  let kept = "", turn = 0, timer = null, wrong = new Set();
  signal.addEventListener("abort", () => clearTimeout(timer));

  function count() {
    const lines = area.value.split("\n").length;
    area.rows = Math.max(16, lines + 1);
    fill(numbers, Array.from({ length: lines }, (_, i) => h("span", { class: wrong.has(i + 1) ? "bad" : null }, i + 1)));
  }
  function typed() {
    count();
    clearTimeout(timer);
    timer = setTimeout(() => check().catch(failed), checkMilliseconds);
  }
  /** Two spaces for a tab: YAML has no tabs. Escape, then Tab leads on. */
  let isLeaving = false;
  function press(event) {
    if (event.key === "Escape") isLeaving = true;
    if (event.key !== "Tab" || event.shiftKey || isLeaving) { if (event.key !== "Escape") isLeaving = false; return; }
    event.preventDefault();
    area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end");
    typed();
  }
  async function check() {
    const mine = ++turn, answer = await ask("POST", "/v1/sigma/rules/check", { body: { text: area.value }, signal });
    if (mine !== turn) return answer;
    const all = answer.items.flatMap((item) => item.issues), notes = answer.items.flatMap((item) => item.notes || []);
    wrong = new Set(all.map(({ line }) => line));
    if (all.length) area.setAttribute("aria-invalid", "true"); else area.removeAttribute("aria-invalid");
    fill(verdict, answer.ok ? badge(t("fine"), "good") : badge(t("refused"), "critical"));
    fill(issues, all.map((issue) => h("p", { class: "problem row" },
      button(`${issue.line}:${issue.column}`, () => leap(issue), { class: "plain", "aria-label": t("issue.go",
        { n: issue.line }) }), h("span", {}, `${issue.subject} ${issue.name}: ${issue.reason}`))),
    notes.map((note) => h("p", { class: "note" }, note)));
    count();
    return answer;
  }
  function leap({ line, column }) {
    const start = area.value.split("\n").slice(0, line - 1).reduce((all, text) => all + text.length + 1, 0) + column - 1;
    area.focus();
    area.setSelectionRange(start, start + 1);
  }
  function write(text) {
    area.value = text;
    typed();
  }
  return {
    node: h("div", { class: "stack" }, h("div", { class: "editor" }, numbers, area),
      h("p", { class: "small quiet" }, t("editor.hint")), issues),
    verdict, check, write, text: () => area.value, isChanged: () => area.value !== kept, kept: () => { kept = area.value; },
    set(text) { kept = text; write(text); },
  };
}
