// One built-in detector: what its rules look for, how they did by people's verdicts, its limits, and what other limits
// would have found.

import { ask, get } from "../api.js";
import { fill, h } from "../dom.js";
import { incomplete } from "../flows.js";
import { badge, button, failed, failure, field, none, panel, table, toast } from "../parts.js";
import { link, period } from "../place.js";
import { number, percent, span, t, word } from "../words.js";
import { counted, foundTable, hosts, wouldFire } from "./trial.js";

export default function detector({ id, signal }) {
  let all = null, one = null, inputs = new Map(), switches = new Map();
  const trial = h("div", { class: "stack", role: "status" });
  const quality = panel(t("quality"), () => get("/v1/feedback", {}, signal), ({ items }) => card(one, items),
    { span: "half" });
  const limits = panel(t("limits"), async () => one, () => drawLimits(), { span: "half" });
  const tries = h("section", { class: "panel", "aria-label": t("trial") }, h("header", {}, h("h2", {}, t("trial")),
    button(t("backtest"), run)), h("p", { class: "small quiet" }, t("backtest.limits")), trial);

  async function refresh() {
    if (all) return; // what somebody types stays
    all = await get("/v1/detectors", {}, signal);
    one = all.items.find(({ name }) => name === id);
    if (!one) throw Object.assign(new Error(t("nothing")), { status: 404 });
    await Promise.all([quality.refresh(), limits.refresh()]);
  }
  function drawLimits() {
    inputs = new Map();
    switches = new Map();
    const rows = one.limits.map((limit) => {
      const about = [t("limit.standard", { value: shown(limit, limit.standard) }),
        t("limit.range", { min: shown(limit, limit.min), max: shown(limit, limit.max) })];
      if (limit.beginsAnew) about.push(t("limit.operator"));
      const input = h("input", { type: "number", name: limit.name, value: limit.value, min: limit.min, max: limit.max,
        step: limit.unit === "number" ? "any" : 1, disabled: limit.beginsAnew, required: true });
      if (!limit.beginsAnew) inputs.set(limit.name, { input, limit });
      return field([limit.name, limit.isOwn && [" ", badge(t("own"), "good")]], input, about.join(" · "));
    });
    const rules = one.rules.map((rule) => {
      const box = h("input", { type: "checkbox", checked: !rule.off, disabled: rule.off && !all.own.off.includes(rule.id) });
      switches.set(rule.id, box);
      return h("label", { class: "row check" }, box, rule.title);
    });
    return [rows.length ? h("div", { class: "tiles" }, rows) : none(t("limits.none")), h("h3", {}, t("rules.on")), rules,
      h("div", { class: "row" }, button(t("save"), save, { class: "main" }), button(t("limits.back"), back))];
  }
  /** What differs from what comes with Weir, of this detector. */
  function wanted() {
    const made = {};
    for (const [name, { input, limit }] of inputs) {
      if (!input.reportValidity()) throw Object.assign(new Error(t("limit.wrong", { name })), { status: 400 });
      if (Number(input.value) !== limit.standard) made[name] = Number(input.value);
    }
    return made;
  }
  async function put(body) {
    try {
      await ask("PUT", "/v1/detectors/limits", { body });
      toast(t("saved"));
      all = null;
      await refresh();
    } catch (error) { failed(error); }
  }
  const others = () => Object.fromEntries(Object.entries(all.own.limits).filter(([name]) => !inputs.has(name)));
  function save() {
    try {
      const off = new Set(all.own.off);
      for (const [rule, box] of switches) if (box.checked) off.delete(rule); else if (!box.disabled) off.add(rule);
      return put({ limits: { ...others(), ...wanted() }, off: [...off] });
    } catch (error) { return failed(error); }
  }
  const back = () => put({ limits: others(), off: all.own.off.filter((rule) => !switches.has(rule)) });
  async function run(event) {
    const pressed = event.currentTarget, between = period();
    try {
      const body = { limits: { ...others(), ...wanted() }, rules: one.rules.map((rule) => rule.id) };
      pressed.disabled = true;
      fill(trial, h("div", { class: "waits" }));
      const query = { from: Math.round(between.from), to: Math.round(between.to) };
      const answer = await ask("POST", "/v1/detectors/backtest", { query, body, signal });
      fill(trial, counted([[t("would.fire"), answer.wouldFire], [t("would.fire.now"), answer.current],
        [t("gained"), answer.gained.length, "high"], [t("lost"), answer.lost.length, "medium"],
        [t("records"), answer.records]]),
      answer.findings.length > 0 && wouldFire(t("backtest"), answer.findings, between), hosts(answer),
      answer.gained.length > 0 && [h("h3", {}, t("gained")), foundTable(t("gained"), answer.gained)],
      answer.lost.length > 0 && [h("h3", {}, t("lost")), foundTable(t("lost"), answer.lost)], incomplete(answer));
    } catch (error) { fill(trial, failure(error)); }
    pressed.disabled = false;
  }
  return {
    title: id,
    nodes: [h("div", { class: "head" }, h("h1", {}, id), h("a", { class: "button", href: link("/rules") },
      t("place.rules"))), h("div", { class: "grid" }, quality.node, limits.node, tries)],
    refresh,
  };
}

const shown = (limit, value) => (limit.unit === "milliseconds" ? span(value) : number(value, 2));

const verdicts = (one) => (one.truePositive || 0) + (one.falsePositive || 0) + (one.benign || 0);

/** What is known of how good a detector's rules are: verdicts of this tenant's people. */
function card(one, feedback) {
  const of = (rule) => feedback.find((item) => item.rule === rule.id) || {};
  return table(t("quality"), [
    { title: t("rule"), cell: (rule) => [h("a", { href: link("/incidents", { rule: rule.id }) }, rule.title),
      h("div", { class: "small quiet" }, [...rule.techniques, ...rule.tactics.map((name) => word("tactic", name))].join(", "))] },
    { title: t("place.incidents"), kind: "figure", cell: (rule) => number(of(rule).incidents || 0) },
    { title: word("verdict", "true-positive"), kind: "figure", cell: (rule) => number(of(rule).truePositive || 0) },
    { title: word("verdict", "false-positive"), kind: "figure", cell: (rule) => number(of(rule).falsePositive || 0) },
    { title: t("confirmed"), kind: "figure", cell: (rule) =>
      (verdicts(of(rule)) ? percent(of(rule).confirmed || 0) : "–") },
  ], one.rules);
}
