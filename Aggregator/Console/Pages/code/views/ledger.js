// Whether everything was seen: the sum of the sensors' loss ledgers, by reason.

import { h } from "../dom.js";
import { badge, facts } from "../parts.js";
import { number, percent, t, word } from "../words.js";

const silentAfter = 120_000;

/** A sensor's state: words and their colour. */
export function health(sensor, now = Date.now()) {
  const heard = Date.parse(sensor.lastHeartbeat);
  if (!Number.isFinite(heard)) return [t("sensor.never"), "low"];
  if (now - heard > silentAfter) return [t("sensor.silent"), "critical"];
  if (sensor.connected === false) return [t("sensor.apart"), "medium"];
  if (sensor.fidelity && sensor.fidelity !== "full") return [t("sensor.coarse"), "medium"];
  return [t("sensor.good"), "good"];
}

/** Of all exporters of sensors: `{ decoded, sealed, open, records: {reason: flows}, counts: {reason: n}, missing }`. */
export function ledger(sensors) {
  return ofExporters(sensors.flatMap((sensor) => sensor.ledger || []));
}
export function ofExporters(exporters) {
  const sums = { decoded: 0, sealed: 0, records: {}, counts: {}, missing: 0 };
  for (const one of exporters) {
    sums.decoded += one.decoded?.flows || 0;
    sums.sealed += one.sealed?.flows || 0;
    sums.missing += one.missing?.units || 0;
    for (
      const [reason, gone] of Object.entries(one.records || {})
    ) sums.records[reason] = (sums.records[reason] || 0) + (gone.flows || 0);
    for (
      const [reason, count] of Object.entries(one.counts || {})
    ) sums.counts[reason] = (sums.counts[reason] || 0) + count;
  }
  sums.open = sums.decoded - sums.sealed - Object.values(sums.records).reduce((all, flows) => all + flows, 0);
  return sums;
}
const line = (name, value, of) => [name, of ? `${number(value)} (${percent(value / of)})` : number(value)];

/** Where what was decoded went: one bar, from shipped to lost. The list below it has the numbers. */
function flow(sums) {
  if (!sums.decoded) return null;
  const reasons = Object.entries(sums.records).filter(([, flows]) => flows > 0).sort((a, b) => b[1] - a[1]);
  const parts = [["shipped", t("ledger.sealed"), sums.sealed], ["open", t("ledger.open"), sums.open],
    ...reasons.map(([reason, flows]) => [harmless.has(reason) ? "merged" : "lost", word("loss", reason), flows])];
  return h("div", { class: "bar-flow", "aria-hidden": "true" }, parts.filter(([, , flows]) => flows > 0).map(
    ([kind, name, flows]) => h("i", { class: kind, vars: { "--part": flows / sums.decoded },
      title: `${name}: ${number(flows)}` })));
}
/** The same of one exporter, for a table. */
export const ledgerBar = (exporter) => flow(ofExporters([exporter]));
/** Reasons that lose nothing: it was counted elsewhere. */
const harmless = new Set(["observed_elsewhere", "duplicate"]);

export function losses(sums) {
  const reasons = Object.entries(sums.records).filter(([, flows]) => flows > 0).sort((a, b) => b[1] - a[1]);
  const counts = Object.entries(sums.counts).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  return h("div", { class: "stack" }, flow(sums), facts([
    line(t("ledger.decoded"), sums.decoded), line(t("ledger.sealed"), sums.sealed, sums.decoded),
    ...reasons.map(([reason, flows]) => line(word("loss", reason), flows, sums.decoded)),
    line(t("ledger.open"), sums.open),
    [t("ledger.missing"), sums.missing ? h("span", {}, badge(number(sums.missing), "high")) : number(0)],
    ...counts.map(([reason, count]) => line(word("loss", reason), count)),
  ]), h("p", { class: "small quiet" }, t("ledger.hint")));
}
