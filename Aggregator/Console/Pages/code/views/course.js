// How an incident went: its findings along ATT&CK's tactics, who spoke to whom, and what each change was.

import { h, s } from "../dom.js";
import { whoToWhom } from "../graph.js";
import { exploring, incomplete, sum } from "../flows.js";
import { none, table } from "../parts.js";
import { bytes, clock, moment, number, t, word } from "../words.js";

/** In the order in which attacks go. */
const tactics = ["TA0043", "TA0042", "TA0001", "TA0002", "TA0003", "TA0004", "TA0005", "TA0006", "TA0007", "TA0008",
  "TA0009", "TA0011", "TA0010", "TA0040"];
const box = { width: 720, left: 170, right: 12, row: 30, bottom: 22 };

/** A row for each tactic that there is, a bar for each finding; the list below says the same. */
export function course(one) {
  const found = one.findings.filter(({ start, end }) => [start, end].every((time) => Number.isFinite(Date.parse(time))));
  const names = tactics.filter((name) => found.some((finding) => (finding.tactics || []).includes(name)));
  if (!names.length) return null;
  const from = Math.min(...found.map(({ start }) => Date.parse(start)));
  const to = Math.max(...found.map(({ end }) => Date.parse(end)), from + 1_000);
  const height = names.length * box.row + box.bottom;
  const x = (time) => box.left + ((Date.parse(time) - from) / (to - from)) * (box.width - box.left - box.right);
  const rows = names.map((name, i) => {
    const y = i * box.row;
    const bars = found.filter((finding) => (finding.tactics || []).includes(name)).map((finding) =>
      s("rect", { class: `bar ${finding.severity}`, x: x(finding.start), y: y + 7, rx: 3, height: box.row - 14,
        width: Math.max(6, x(finding.end) - x(finding.start)) },
      s("title", {}, `${finding.title} · ${moment(finding.start)}`)));
    return [s("line", { class: "rule", x1: 0, x2: box.width, y1: y + box.row, y2: y + box.row }),
      s("text", { x: 0, y: y + box.row / 2 + 4 }, word("tactic", name)), bars];
  });
  const day = to - from > 36 * 3_600_000;
  const times = [[from, box.left, "start"], [to, box.width - box.right, "end"]].map(([time, at, anchor]) =>
    s("text", { x: at, y: height - 5, "text-anchor": anchor }, clock(time, day)));
  return h("div", { class: "drawing scroll", tabindex: "0", role: "group", "aria-label": t("course") },
    s("svg", { viewBox: `0 0 ${box.width} ${height}`, role: "img", "aria-label": t("course") }, rows, times));
}

export function spoke(answer, one) {
  const pairs = answer.items.map((item) => ({ from: item.keys?.sourceAddress, to: item.keys?.destinationAddress,
    amount: sum(item, "octets"), flows: sum(item, "flows") })).filter(({ from, to }) => from && to);
  if (!pairs.length) return none(t("flows.none"));
  const roles = new Map(one.entities.map(({ value, role }) => [value, role]));
  for (const pair of pairs) {
    pair.kind = roles.get(pair.from) === "attacker" ? "attacker" : "";
    pair.text = `${bytes(pair.amount)}, ${t("flow.count", { n: pair.flows })}`;
  }
  return [
    whoToWhom(t("graph"), pairs, { mark: (name) => roles.get(name) || "", go: (name) => exploring(`ip ${name}`),
      more: (n) => t("and.more", { n }) }),
    h("ul", { class: "keys" }, ["attacker", "victim"].map((role) =>
      h("li", {}, h("i", { class: `role ${role}` }), word("role", role)))),
    h("details", {}, h("summary", {}, t("chart.table")), table(t("graph"), [
      { title: t("source"), cell: (pair) => h("span", { class: "mono" }, pair.from) },
      { title: t("destination"), cell: (pair) => h("span", { class: "mono" }, pair.to) },
      { title: t("octets"), kind: "figure", cell: (pair) => bytes(pair.amount) },
      { title: t("flows"), kind: "figure", cell: (pair) => number(pair.flows) },
    ], pairs)), incomplete(answer)];
}

/** What an event of the history changed, in a few words. */
export function details(event) {
  const known = { statusChanged: "status", severityPinned: "severity", taskChanged: "task" }[event.kind];
  const name = (value) => (known ? word(known, value) : String(value));
  if (event.finding) return event.finding.title;
  if (event.verdict) return [word("verdict", event.verdict.kind), event.verdict.note].filter(Boolean).join(": ");
  if (event.kind === "tagged") {
    return [...(event.added || []).map((tag) => `+${tag}`), ...(event.removed || []).map((tag) => `−${tag}`)].join(" ");
  }
  if (event.tasks) return event.tasks.map(({ title }) => title).join(", ");
  if (event.assessment?.severity) return word("severity", event.assessment.severity);
  if (event.other) return event.other;
  if (event.kind === "clockRanOut") return word("clock", event.text);
  if (event.text) return event.text.length > 140 ? `${event.text.slice(0, 140)}…` : event.text;
  if (event.from !== undefined || event.to !== undefined) {
    return `${event.from === undefined ? "–" : name(event.from)} → ${event.to === undefined ? "–" : name(event.to)}`;
  }
  return "";
}
