// What is known of an address or a name, and where that knowledge comes from.

import { get } from "../api.js";
import { h } from "../dom.js";
import { exploring } from "../flows.js";
import { badge, exactly, facts, field, form, none, panel, table, when } from "../parts.js";
import { change, here } from "../place.js";
import { bytes, country, number, percent, t } from "../words.js";
import { networks } from "./networks.js";

export default function intelligence({ signal }) {
  const asked = here().query.get("indicator") || "";
  const lookup = panel(
    t("lookup"), () => (asked ? get("/v1/intel/lookup", { indicator: asked, sightings: "true" }, signal) : null),
    (answer) => (answer ? answer.items.map(draw) : none(t("lookup.hint")))
  );
  const ask = form(
    [
      field(
        t("indicator"),
        h("input", { name: "indicator", required: true, value: asked, spellcheck: "false", autocomplete: "off" })
      )
    ],
    t("lookup"), async ({ indicator }) => change({ indicator: indicator.trim() })
  );
  const feeds = panel(
    t("feeds"), () => get("/v1/intel/feeds", {}, signal), ({ items }) => (items.length ? table(t("feeds"), [
    { title: t("name"), cell: (one) => one.name }, { title: t("kind"), kind: "fit",
      cell: (one) => t(`feed.${one.kind}`) }, { title: t("indicators"), kind: "figure",
      cell: (one) => number(one.indicators) },
    {
      title: t("refused"), kind: "figure",
      cell: (one) => number(Object.values(one.refused || {}).reduce((all, n) => all + n, 0))
    }, { title: t("confirmed.at"), kind: "fit", cell: (one) => when(one.confirmed) },
    {
      title: t("state"), kind: "fit",
      cell: (one) => (
        one.problem ? [badge(t("failing"), "critical"), " ", one.problem] : badge(t("sensor.good"), "good")
      )
    },
  ], items) : none(t("feeds.none"))));
  const named = networks(signal);
  return {
    title: t("place.intelligence"),
    nodes: [
      h("div", { class: "head" }, h("h1", {}, t("place.intelligence"))),
      h("section", { class: "panel", "aria-label": t("question") }, ask),
      h("div", { class: "grid" }, lookup.node, feeds.node, named.node)
    ],
    refresh: () => Promise.all([lookup, feeds, named].map((one) => one.refresh())) };
}

function draw(one) {
  const where = one.origin || {}, sight = one.sighting;
  return h(
    "div", { class: "stack" }, h("h3", { class: "mono" }, one.query),
    one.fault && h("p", { class: "problem" }, one.fault), facts([
    [
      t("score"),
      one.score?.value === undefined ? null : percent(one.score.value > 1 ? one.score.value / 100 : one.score.value)
    ], [t("allowed.by"), (one.allowedBy || []).join(", ")],
    [t("country"), where.country && country(where.country)], [
      t("system"), [where.systemNumber && `AS${where.systemNumber}`, where.systemName].filter(Boolean).join(" ")
    ], [t("network"), where.network], [t("name"), where.name], [t("tags"), (where.tags || []).join(", ")],
    [
      t("sightings"),
      sight ? [
        t("flow.count", { n: sight.flows || 0 }), `, ${bytes(sight.octets || 0)}, `,
        t("host.count", { n: sight.hosts || 0 })
      ] : null
    ], [
      t("first.seen"), sight?.firstSeen && exactly(sight.firstSeen)
    ], [t("last.seen"), sight?.lastSeen && exactly(sight.lastSeen)],
  ]), one.known?.length ? table(t("known"), [
    { title: t("feed"), cell: (known) => known.feed }, { title: t("indicator"), cell: (known) => h("span",
      { class: "mono" }, known.indicator) }, { title: t("confidence"), kind: "figure",
      cell: (known) => number(known.confidence ?? 0) },
    { title: t("labels"), cell: (known) => [...(known.labels || []), known.malwareFamily].filter(Boolean).join(", ") },
      { title: t("last.seen"), kind: "fit", cell: (known) => when(known.lastSeen) }, { title: t("ends"), kind: "fit",
      cell: (known) => (known.expired ? badge(t("ended"), "low") : when(known.expires)) },
  ], one.known) : h("p", { class: "quiet" }, t("known.none")), /^[0-9a-f.:/]+$/i.test(one.query) && h(
    "p", {}, h("a", { href: exploring(`ip ${one.query}`) }, t("place.explore"))
  ));
}
