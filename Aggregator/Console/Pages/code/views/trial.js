// What rules would have found: how often over time, whom, and what is gained or lost against now.

import { stacked } from "../chart.js";
import { h } from "../dom.js";
import { facts, none, severity, table, when } from "../parts.js";
import { step } from "../place.js";
import { number, t } from "../words.js";

/** - `findings`: with a `start`, as far as the answer has them; `between`: in ms. */
export function wouldFire(title, findings, between, before) {
  const seconds = step(between, 48), width = seconds * 1_000;
  const from = Math.floor(between.from / width) * width, count = Math.ceil((between.to - from) / width);
  const sums = (list) => {
    const values = new Array(count).fill(0);
    for (const { start } of list) {
      const place = Math.floor((Date.parse(start) - from) / width);
      if (place >= 0 && place < count) values[place] += 1;
    }
    return values;
  };
  return stacked(title, { from, step: width, layers: [{ name: t("would.fire"), values: sums(findings) }],
    before: before?.length ? sums(before) : null, beforeName: t("would.fire.now"), show: (value) => number(value, 1) });
}
export function counted(pairs) {
  return h("div", { class: "tiles" }, pairs.filter(([, value]) => value !== undefined).map(([name, value, kind = ""]) =>
    h("div", { class: `tile ${kind}` }, h("strong", {}, number(value)), h("span", {}, name))));
}
export function foundTable(title, findings) {
  if (!findings?.length) return none(t("would.none"));
  return table(title, [
    { title: t("severity"), kind: "fit", cell: (one) => severity(one.severity) },
    { title: t("title"), cell: (one) => one.title },
    { title: t("began"), kind: "fit", cell: (one) => when(one.start) },
    { title: t("flows"), kind: "figure", cell: (one) => number(one.flows) },
  ], findings.slice(0, 30));
}
export function hosts(answer) {
  return facts([[t("would.hosts"), answer.hostCount ? `${number(answer.hostCount)}: ${answer.hosts.slice(0, 12).join(", ")}${
    answer.hostCount > 12 ? " …" : ""}` : null]]);
}
