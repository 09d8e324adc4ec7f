// Questions about traffic: a filter, what to sum by, and the answer as a series, a list of the largest, records,
// percentiles; who met an indicator, over all history.

import { address, ask, get } from "../api.js";
import { stacked } from "../chart.js";
import { fill, h } from "../dom.js";
import {
  amount, askSeries, column, exploring, groupFilter, groupings, groupName, hostLink, incomplete, measures, rate, scale,
  sum
} from "../flows.js";
import { button, choice, facts, field, form, none, panel, table, when } from "../parts.js";
import { change, here, period } from "../place.js";
import { sankey } from "../sankey.js";
import { bits, bytes, number, percent, t, word } from "../words.js";
import { filterInput } from "./filter.js";
import { flowTable } from "./records.js";
import { saved } from "./saved.js";

const courses = ["sourceAddress/24,service", "sourceAddress,service", "site,service",
  "sourceAddress,service,destinationAddress",
  "sourceCountry,destinationCountry", "exporter,service", "sourceAddress,destinationAddress"];

export default function explore({ signal }) {
  const query = () => {
    const now = here().query, by = now.get("by"), measure = now.get("measure");
    return {
      filter: now.get("filter") || "", by: groupings.includes(by) ? by : "service",
      measure: measures.includes(measure) ? measure : "octets", compare: now.get("compare") === "1"
    };
  };
  const asked = query(), bar = filterInput(asked.filter, (filter) => change({ filter: filter || null }));
  const span = () => { const { from, to } = period(); return { from: Math.round(from), to: Math.round(to) }; };
  const common = () => ({ filter: query().filter, ...span() });
  /** A filter that can't be read is said once, under the filter. */
  const asking = (load) => async () => {
    try { return await load(); } catch (error) {
      if (error.kind === "bad-filter") { bar.refuse(error.problem); error.message = t("filter.wrong"); }
      throw error;
    }
  };

  const series = panel(
    t("series"), asking(() => askSeries({ ...query(), limit: 8, signal })),
    (answer) => (answer.isEmpty ? none(t("flows.none"))
    : [
      stacked(
        t("series"),
        { ...answer, scale: scale(query().measure, answer.seconds), show: rate(query().measure, answer.seconds) }
      ),
      incomplete(answer.now)
    ]));
  const top = panel(
    t("top"),
    asking(
      () => get(
        "/v1/flows/top", { ...common(), by: query().by, measure: column[query().measure], limit: 15, names: "true" },
        signal
      )
    ),
    drawTop, { span: "half" }
  );
  const percentiles = panel(
    t("percentiles"), asking(() => get("/v1/flows/percentiles", { ...common(), by: query().by, limit: 8 }, signal)),
    drawPercentiles, { span: "half" }
  );
  const course = coursePanel(asking, common, query, signal);
  const records = recordPanel(asking, common, signal);
  const plan = planPanel(asking, common, signal);

  function drawTop(answer) {
    const { by, measure } = query(), show = amount(measure), all = sum(answer.total, measure) || 1;
    if (!answer.items.length) return none(t("flows.none"));
    const most = sum(answer.items[0], measure) || 1;
    return [
      h(
        "p", { class: "small quiet" }, t("top.groups", { n: answer.groupCount }), " · ",
        show(sum(answer.total, measure))
      ),
      table(t("top"), [
      { title: word("by", by), cell: (one) => {
        const more = groupFilter(by, one.key), filter = query().filter, name = answer.names?.[one.key];
        const both = filter && more ? `(${filter}) and ${more}` : more;
        return [
          both ? h("a", { href: exploring(both, { by, measure }) }, groupName(by, one)) : groupName(by, one),
          name && h("span", { class: "quiet small" }, ` ${name}`)
        ];
      } },
      {
        title: word("measure", measure), kind: "figure cell",
        cell: (one) => h(
          "span", { class: "amount", vars: { "--share": `${(sum(one, measure) / most) * 100}%` } },
          show(sum(one, measure))
        )
      },
      { title: t("share"), kind: "figure", cell: (one) => percent(sum(one, measure) / all) },
    ], answer.items), incomplete(answer)];
  }
  function drawPercentiles(answer) {
    if (!answer.items.length) return none(t("flows.none"));
    return [table(t("percentiles"), [
      { title: word("by", query().by), cell: (one) => groupName(query().by, one) },
      { title: t("percentile", { n: answer.percent }), kind: "figure", cell: (one) => bits(one.percentile) },
      {
        title: t("most"), kind: "figure", cell: (one) => bits(one.most)
      }, { title: t("mean"), kind: "figure", cell: (one) => bits(one.mean) },
    ], answer.items), incomplete(answer)];
  }
  const compare = button(
    t("compare"), () => change({ compare: query().compare ? null : "1" }), { "aria-pressed": String(asked.compare) }
  );
  const settings = h("div", { class: "row" },
    choice(
      groupings.map((name) => [name, word("by", name)]), asked.by, (by) => change({ by }), { "aria-label": t("by") }
    ),
    choice(
      measures.map((name) => [name, word("measure", name)]), asked.measure, (measure) => change({ measure }),
      { "aria-label": t("measure") }
    ), compare,
    ["csv", "ndjson"].map(
      (format) => h(
        "a",
        { class: "button", download: `flows.${format}`, href: address("/v1/flows/export", { ...common(), format }) },
        t("export.as", { format: format.toUpperCase() })
      )
    ));
  const question = h("section", { class: "panel", "aria-label": t("question") }, bar.node, settings,
    saved("weir.views", ["filter", "by", "measure", "compare", "course"], { clears: false }));
  const panels = [series, top, percentiles, course, records, plan];
  return {
    title: t("place.explore"),
    nodes: [
      h("div", { class: "head" }, h("h1", {}, t("place.explore"))), question,
      h("div", { class: "grid" }, panels.map(({ node }) => node), hunt())
    ],
    refresh: () => Promise.all(panels.map((one) => one.refresh())),
  };
}

/** The API adds IPv6's length to a network's name: `sourceAddress/24/48`. */
const keyOf = (one, name) => one.keys?.[name]
  ?? Object.entries(one.keys || {}).find(([key]) => key.startsWith(`${name}/`))?.[1] ?? "";
/** Which of one dimension goes to which of the next. */
function coursePanel(asking, common, query, signal) {
  const asked = here().query.get("course"), by = courses.includes(asked) ? asked : courses[0], names = by.split(",");
  const titles = names.map((name) => word("by", name));
  const pick = choice(courses.map((name) => [name, name.split(",").map((one) => word("by", one)).join(" → ")]), by,
    (value) => change({ course: value }), { "aria-label": t("course.by") });
  return panel(t("sankey"), asking(() => get("/v1/flows/top",
    { ...common(), by, measure: column[query().measure], limit: 20 }, signal)), (answer) => {
    const { measure } = query(), show = amount(measure);
    const paths = answer.items.map((one) => ({ keys: names.map((name) => keyOf(one, name)), amount: sum(one, measure) }))
      .filter(({ amount: size }) => size > 0);
    if (!paths.length) return none(t("flows.none"));
    const name = (place, key) => groupName(names[place], { key });
    return [sankey(t("sankey"), { paths, titles, show, name, go: (place, key) => {
      const filter = groupFilter(names[place], key);
      return filter && exploring(filter, { by: query().by, measure });
    } }), h("details", {}, h("summary", {}, t("chart.table")), table(t("sankey"), [
      ...titles.map((title, i) => ({ title, cell: (one) => name(i, one.keys[i]) })),
      { title: word("measure", measure), kind: "figure", cell: (one) => show(one.amount) }], paths)), incomplete(answer)];
  }, { actions: [pick] });
}
function recordPanel(asking, common, signal) {
  let shown = [];
  return panel(t("flows"), asking(() => get("/v1/flows", { ...common(), limit: 25 }, signal)), (answer) => {
    shown = answer.items;
    const place = h("div", { class: "stack" });
    const draw = (next) => fill(
      place, shown.length ? flowTable(shown) : none(t("flows.none")), next
      && h("div", { class: "row" }, button(t("more"), async () => {
      const page = await get("/v1/flows", { ...common(), limit: 50, cursor: next }, signal);
      shown = [...shown, ...page.items];
      draw(page.next);
    })), incomplete(answer));
    draw(answer.next);
    return place;
  });
}
function planPanel(asking, common, signal) {
  return panel(t("explain"), asking(() => get("/v1/flows/plan", common(), signal)), ({ plan }) => facts([
    [t("plan.segments"), number(plan.segments)], [
      t("plan.skipped"), number(plan.skippedByTime + plan.skippedByBounds + plan.skippedByBloom)
    ],
    [t("plan.blocks"), number(plan.blocks)], [
      t("plan.blocksSkipped"), number(plan.blocksSkipped)
    ], [t("plan.rows"), number(plan.rows)], [t("plan.read"), bytes(plan.bytesRead)],
    [t("plan.unreadable"), plan.unreadable ? number(plan.unreadable) : null],
  ]), { span: "half" });
}

/** Who met some addresses, in all of the history. */
function hunt() {
  const seen = h("div", { class: "stack", role: "status" });
  const node = form(
    [field(t("hunt.what"), h("textarea", { name: "indicators", required: true, spellcheck: "false" }), t("hunt.hint"))],
    t("hunt.ask"), async ({ indicators }) => {
    const list = indicators.split(/[\s,;]+/).filter(Boolean), answer = await ask(
      "POST", "/v1/hunts", { body: { indicators: list } }
    );
    fill(seen, answer.items.length ? table(t("hunt"), [
      {
        title: t("indicator"), cell: (one) => h("span", { class: "mono" }, one.indicator)
      }, { title: t("hunt.met"), cell: (one) => (one.met ? hostLink(one.met) : "–") },
      { title: t("host"), cell: (one) => (one.host ? hostLink(one.host) : "–") }, {
        title: t("first.seen"), kind: "fit", cell: (one) => when(one.firstSeen)
      },
      { title: t("last.seen"), kind: "fit", cell: (one) => when(one.lastSeen) }, {
        title: t("octets"), kind: "figure",
        cell: (one) => bytes((one.sent?.octetDeltaCount || 0) + (one.received?.octetDeltaCount || 0))
      },
    ], answer.items) : none(t("hunt.none")), answer.leftOut > 0 && h(
      "p", { class: "note" }, t("hunt.left", { n: answer.leftOut })
    ), incomplete(answer));
  });
  return h(
    "section", { class: "panel half", "aria-label": t("hunt") }, h("header", {}, h("h2", {}, t("hunt"))), node, seen
  );
}
