// One sensor and its exporters: the ledger of each, its clock and what is wrong with it.

import { ask, get, part } from "../api.js";
import { h } from "../dom.js";
import { badge, button, confirm, exactly, facts, none, panel, table, toast, when } from "../parts.js";
import { link } from "../place.js";
import { bytes, number, t, word } from "../words.js";
import { marks } from "./settings.js";
import { health, ledgerBar, losses, ofExporters } from "./ledger.js";

export default function sensor({ id, signal }) {
  const about = panel(t("sensor"), async () => {
    const { items } = await get("/v1/sensors", {}, signal), one = items.find((item) => item.id === id);
    if (!one) throw Object.assign(new Error(t("nothing")), { status: 404 });
    return one;
  }, (one) => facts([
    [t("state"), badge(...health(one))], [t("version"), one.version], [
      t("fidelity"), word("fidelity", one.fidelity || "unknown")
    ],
    [t("last.heard"), exactly(one.lastHeartbeat)], [t("last.batch"), exactly(one.lastBatch)],
    [t("certificate.until"), exactly(one.certificateExpiry)], [t("batches"), number(one.batches || 0)],
    [t("flows"), number(one.flows || 0)], [t("octets"), bytes(one.octets || 0)],
    [
      t("spool"),
      Object.entries(one.spool || {}).map(
        ([name, value]) => `${name} ${typeof value === "number" ? number(value) : value}`
      ).join(", ")
    ],
    [t("dead.letters"), one.deadLetters === undefined ? null : number(one.deadLetters)],
  ]), { span: "half" });
  let exporters;
  const load = () => exporters;
  const sum = panel(t("ledger"), load, ({ items }) => losses(ofExporters(items)), { span: "half" });
  const list = panel(t("exporters"), load, ({ items, omitted, asOf }) => items.length ? [table(t("exporters"), [
    {
      title: t("exporter"),
      cell: (one) => [
        h("a", { class: "mono", href: link("/explore", { filter: `exporter ${one.exporter}` }) }, one.exporter),
        ` ${one.exportProtocol} ${one.observationDomain}`
      ]
    },
    {
      title: t("state"), kind: "fit",
      cell: (one) => (one.health?.issues || []).length ? one.health.issues.map(
        (name) => badge(word("issue", name), "medium")
      ) : badge(t("sensor.good"), "good")
    },
    { title: t("last.heard"), kind: "fit", cell: (one) => when(one.health?.lastHeardMilliseconds) },
    {
      title: t("clock.skew"), kind: "figure",
      cell: (one) => one.health?.clockSkewMilliseconds === undefined
        ? "–" : `${number(Math.round(one.health.clockSkewMilliseconds / 100) / 10 + 0, 1)} s`
    },
    {
      title: t("sampling"), kind: "figure",
      cell: (one) => one.health?.samplingInterval > 1 ? `1:${number(one.health.samplingInterval)}` : "–"
    },
    { title: t("ledger.short"), kind: "cell", cell: (one) => ledgerBar(one) || "–" },
    { title: t("ledger.decoded"), kind: "figure", cell: (one) => number(one.decoded?.flows || 0) },
    { title: t("ledger.sealed"), kind: "figure", cell: (one) => number(one.sealed?.flows || 0) },
    { title: t("ledger.open"), kind: "figure", cell: (one) => number(one.open?.flows || 0) },
    { title: t("ledger.missing"), kind: "figure", cell: (one) => number(one.missing?.units || 0) },
  ], items), h(
    "p", { class: "small quiet" }, omitted ? t("exporters.omitted", { n: omitted }) : "", " ", asOf && t("as.of"), " ",
    asOf && exactly(asOf)
  )]
    : none(t("exporters.none")));
  const said = marks(signal, id);
  const again = button(t("reship"), () => confirm(t("reship"), t("reship.text"), async () => {
    await ask("POST", `/v1/sensors/${part(id)}/reship`);
    toast(t("reship.asked"));
  }));
  return {
    title: id,
    nodes: [
      h("div", { class: "head" }, h("h1", {}, id), again), h("div", { class: "grid" }, about.node, sum.node, said.node, list.node)
    ],
    refresh: () => {
      exporters = get(`/v1/sensors/${part(id)}/exporters`, {}, signal);
      return Promise.all([about, sum, said, list].map((one) => one.refresh()));
    },
  };
}
