// All sensors with what they shipped, hold and lost.

import { get } from "../api.js";
import { h } from "../dom.js";
import { badge, none, panel, table, when } from "../parts.js";
import { link } from "../place.js";
import { bytes, number, short, t, word } from "../words.js";
import { health, ledger, losses } from "./ledger.js";

export default function sensors({ signal }) {
  let asked;
  const load = () => asked;
  const add = (isMain) => h("a", { class: isMain ? "button main" : "button", href: link("/sensors/add") }, t("enrol"));
  const list = panel(t("place.sensors"), load, ({ items }) => items.length ? table(t("place.sensors"), [
    { title: t("sensor"), cell: (one) => h("a", { href: link(`/sensors/${one.id}`) }, one.id) },
    { title: t("state"), kind: "fit", cell: (one) => badge(...health(one)) },
    { title: t("last.heard"), kind: "fit", cell: (one) => when(one.lastHeartbeat) },
    { title: t("last.batch"), kind: "fit", cell: (one) => when(one.lastBatch) },
    { title: t("fidelity"), kind: "fit", cell: (one) => word("fidelity", one.fidelity || "unknown") },
    { title: t("exporters"), kind: "figure", cell: (one) => number((one.ledger || []).length) },
    { title: t("flows"), kind: "figure", cell: (one) => short(one.flows || 0) },
    { title: t("octets"), kind: "figure", cell: (one) => bytes(one.octets || 0) },
    { title: t("certificate.until"), kind: "fit", cell: (one) => when(one.certificateExpiry) },
    { title: t("version"), kind: "fit", cell: (one) => one.version || "–" },
  ], items) : [none(t("sensors.none")), h("p", { class: "row center" }, add(true))]);
  const sum = panel(t("ledger"), load, ({ items }) => losses(ledger(items)), { span: "half" });
  return {
    title: t("place.sensors"),
    nodes: [
      h("div", { class: "head" }, h("h1", {}, t("place.sensors")), add()),
      h("div", { class: "grid" }, list.node, sum.node)
    ],
    refresh: () => { asked = get("/v1/sensors", {}, signal); return Promise.all([list.refresh(), sum.refresh()]); },
  };
}
