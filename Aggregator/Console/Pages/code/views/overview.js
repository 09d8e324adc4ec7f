// One screen that says whether something needs somebody: incidents, traffic beside its usual, who has the most of it,
// and whether all of it was seen at all.

import { get } from "../api.js";
import { stacked } from "../chart.js";
import { h } from "../dom.js";
import { addUp, amount, askSeries, exploring, groupFilter, groupName, incomplete, rate, scale, sum } from "../flows.js";
import { badge, none, panel, severity, status, table, when } from "../parts.js";
import { link, period } from "../place.js";
import { change, number, percent, t, word } from "../words.js";
import { health, ledger, losses } from "./ledger.js";

const severities = ["critical", "high", "medium", "low"];
const latestMax = 5;

export default function overview({ signal }) {
  const panels = [
    incidents(signal), sensors(signal), traffic(signal),
    top("sourceAddress", t("top.talkers"), signal, { names: "true" }),
    top("service", t("top.services"), signal), top("destinationCountry", t("top.countries"), signal)];
  return {
    title: t("place.overview"),
    nodes: [
      h("div", { class: "head" }, h("h1", {}, t("place.overview"))),
      h("div", { class: "grid" }, panels.map(({ node }) => node))
    ],
    refresh: () => Promise.all(panels.map((one) => one.refresh())),
    happened: () => panels[0].refresh(),
  };
}

function incidents(signal) {
  const load = async () => {
    const { from, to } = period();
    const query = { status: "open", from: new Date(from).toISOString(), to: new Date(to).toISOString() };
    const [counts, newest] = await Promise.all([
      get("/v1/incidents/counts", query, signal), get("/v1/incidents", { ...query, limit: latestMax }, signal)]);
    return { counts: counts.items, latest: newest.items };
  };
  return panel(t("incidents.open"), load, ({ counts, latest }) => {
    const of = (name, value) => addUp(counts.filter((one) => one[name] === value).map(({ count }) => count));
    const tiles = severities.map((name) => h("a", { class: `tile ${name}`, href: link("/incidents", { severity: name }) },
      h("strong", {}, number(of("severity", name))), h("span", {}, word("severity", name))));
    const states = ["new", "triaged", "in-progress", "contained"].map((name) => [name, of("status", name)])
      .filter(([, n]) => n > 0).map(([name, n]) =>
        h("a", { href: link("/incidents", { status: name }) }, `${word("status", name)} ${number(n)}`));
    return [h("div", { class: "tiles" }, tiles), h("p", { class: "row small" }, states), latest.length
      ? table(t("incidents.latest"), [
        { title: t("severity"), kind: "fit", cell: (one) => severity(one.severity) },
        { title: t("title"), cell: (one) => h("a", { href: link(`/incidents/${one.id}`) }, one.title) },
        { title: t("status"), kind: "fit", cell: (one) => status(one.status) },
        { title: t("last.seen"), kind: "fit", cell: (one) => when(one.end) },
      ], latest) : none(t("incidents.none"))];
  }, { span: "wide", actions: [h("a", { class: "button", href: link("/incidents") }, t("incidents.all"))] });
}

function traffic(signal) {
  const load = () => askSeries({ by: "service", measure: "octets", limit: 5, compare: true, signal, rollups: "true" });
  return panel(t("traffic"), load, (answer) => {
    if (answer.isEmpty) return none(t("traffic.none"));
    const now = addUp(answer.layers.flatMap((layer) => layer.values)), before = addUp(answer.before);
    return [h("p", { class: "small quiet" }, t("traffic.sum", { sum: amount("octets")(now) }), " ",
      before > 0 ? t("traffic.change", { change: change(now / before - 1) }) : t("traffic.new")),
    stacked(
      t("traffic"),
      {
        ...answer, scale: scale("octets", answer.seconds), before: before > 0 ? answer.before : null,
        show: rate("octets", answer.seconds)
      }
    ), incomplete(answer.now)];
  }, { actions: [h("a", { class: "button", href: link("/explore") }, t("place.explore"))] });
}

/** Who has the most octets. Countries are known only where a table of them is loaded: then the reason is shown. */
function top(by, title, signal, more = {}) {
  const load = async () => {
    const { from, to } = period();
    try {
      return await get("/v1/flows/top", { by, from: Math.round(from), to: Math.round(to), limit: 6, ...more }, signal);
    } catch (error) {
      if (by.endsWith("Country") && error.kind === "bad-parameter") return null;
      throw error;
    }
  };
  return panel(title, load, (answer) => {
    if (!answer) return none(t("top.no.countries"));
    if (!answer.items.length) return none(t("traffic.none"));
    const most = sum(answer.items[0], "octets") || 1, all = sum(answer.total, "octets") || 1;
    return [table(title, [
      { title: t("name"), cell: (one) => {
        const filter = groupFilter(by, one.key), text = groupName(by, one), name = answer.names?.[one.key];
        return [
          filter ? h("a", { href: exploring(filter) }, text) : text,
          name && h("span", { class: "quiet small" }, ` ${name}`)
        ];
      } },
      {
        title: t("octets"), kind: "figure cell", cell: (one) => h("span",
        { class: "amount", vars: { "--share": `${(sum(one, "octets") / most) * 100}%` } },
        amount("octets")(sum(one, "octets"))) },
      { title: t("share"), kind: "figure", cell: (one) => percent(sum(one, "octets") / all) },
    ], answer.items), incomplete(answer)];
  }, { span: "third" });
}

function sensors(signal) {
  return panel(t("sensors.health"), () => get("/v1/sensors", {}, signal), ({ items }) => {
    if (!items.length) return [none(t("sensors.none")), h("p", { class: "row center" },
      h("a", { class: "button main", href: link("/sensors/add") }, t("enrol")))];
    const sums = ledger(items);
    return [table(t("sensors.health"), [
      { title: t("sensor"), cell: (one) => h("a", { href: link(`/sensors/${one.id}`) }, one.id) },
      { title: t("state"), kind: "fit", cell: (one) => badge(...health(one)) },
      { title: t("last.heard"), kind: "fit", cell: (one) => when(one.lastHeartbeat) },
    ], items.slice(0, 8)), h("h3", {}, t("ledger")), losses(sums)];
  }, { span: "third", actions: [h("a", { class: "button", href: link("/sensors") }, t("place.sensors"))] });
}
