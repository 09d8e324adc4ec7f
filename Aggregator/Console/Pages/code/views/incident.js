// One incident: what happened, in which order, to whom, on what evidence, and what is done about it.

import { get, part } from "../api.js";
import { stacked } from "../chart.js";
import { fill, h } from "../dom.js";
import { askSeries, exploring, hostLink, rate, scale } from "../flows.js";
import { badge, exactly, facts, failure, none, panel, severity, status, table, when } from "../parts.js";
import { course, details, spoke } from "./course.js";
import { link } from "../place.js";
import { bytes, number, percent, t, word } from "../words.js";
import { flowTable } from "./records.js";
import { exceptionButton, desk, proposals, splitButton, mergeButton, undoButton } from "./work.js";

export default function incident({ me, id, signal }) {
  const path = `/v1/incidents/${part(id)}`, heading = h("h1", {}, "…"), state = h("div", { class: "row" });
  let now = null, story = null, events = [];
  const ready = (draw) => () => { if (!now) throw new Error(t("error.network")); return draw(); };
  const own = (title, draw, more) => panel(title, async () => now, ready(draw), more);

  const parts = {
    summary: own(t("summary"), () => summary(now, story), { span: "wide" }),
    desk: own(t("work"), () => desk(now, me, refresh), { span: "third tall" }),
    entities: own(t("entities"), () => entities(now), { span: "wide" }),
    timeline: own(t("timeline"), () => [course(now), timeline(story)], { span: "wide" }),
    chart: panel(t("evidence"), () => evidence(story, signal), drawEvidence, { span: "half" }),
    graph: panel(t("graph"), () => pairs(story, signal), (answer) => spoke(answer, now), { span: "half" }),
    findings: own(t("findings"), () => [findings(now), h("div", { class: "row" }, splitButton(now, refresh))]),
    flows: panel(
      t("flows"), () => flows(story, signal), ({ items }) => (items.length ? flowTable(items) : none(t("flows.none")))
    ),
    neighbours: panel(t("neighbours"), () => get(`${path}/neighbours`, {}, signal), neighbours, { span: "third" }),
    proposals: panel(
      t("mitigation"), () => get(`${path}/proposals`, {}, signal), (answer) => proposals(answer, now, refresh),
      { span: "wide" }
    ),
    history: own(t("history"), () => history(events, now, refresh)),
  };
  let seen = null;

  async function refresh() {
    if (document.activeElement?.closest(".work")) return; // nothing is taken from under who writes
    try {
      [now, story, { items: events }] = await Promise.all(
        [get(path, {}, signal), get(`${path}/story`, {}, signal), get(`${path}/events`, {}, signal)]
      );
    } catch (error) {
      if (error.name !== "AbortError") fill(state, failure(error, refresh));
      return;
    }
    fill(heading, now.title);
    document.title = `${now.title} – Weir`;
    fill(
      state, severity(now.severity), status(now.status),
      (now.breaches || []).map((clock) => badge(`${t("overdue")}: ${word("clock", clock)}`, "critical")),
      now.mergedInto && h(
        "a", { href: link(`/incidents/${now.mergedInto}`) }, t("merged.into", { id: now.mergedInto })
      ));
    // What has not changed is not drawn anew: what is picked and written there stays.
    if (seen === now.revision) return;
    seen = now.revision;
    await Promise.all(Object.values(parts).map((one) => one.refresh()));
  }
  const acts = h(
    "div", { class: "row" }, exceptionButton(() => now), mergeButton(() => now, refresh),
    h("a", { class: "button", href: link("/incidents") }, t("incidents.all"))
  );
  return {
    title: t("incident"),
    nodes: [
      h("div", { class: "head" }, h("div", { class: "stack" }, heading, state), acts),
      h("div", { class: "grid" }, Object.values(parts).map(({ node }) => node))
    ],
    refresh,
    happened: (changes) => (changes.length === 0 || changes.some(({ incident }) => incident === id) ? refresh() : null),
  };
}

function summary(one, story) {
  return [h("p", {}, story.summary), facts([
    [
      t("rule"), h("a", { href: link("/incidents", { rule: one.rule }) }, one.rule)
    ], [t("tactics"), (one.tactics || []).map((name) => word("tactic", name)).join(", ")],
    [t("techniques"), (one.techniques || []).join(", ")],
    [t("began"), exactly(one.start)], [t("last.seen"), exactly(one.end)], [t("opened"), exactly(one.openedAt)],
    [t("confidence"), one.assessment?.confidence === undefined ? null : percent(one.assessment.confidence)],
    ...(story.clocks || []).map(
      (clock) => [
        word("clock", clock.clock),
        clock.stopped ? [t("clock.stopped"), " ", exactly(clock.stopped)] : [
          clock.ranOut ? badge(t("overdue"), "critical") : "", " ", exactly(clock.due)
        ]
      ]
    ),
  ])];
}
const entitiesShown = 6;
function entities(one) {
  const all = one.entities, list = (items) => table(t("entities"), [
    { title: t("role"), kind: "fit", cell: (entity) => word("role", entity.role) },
    {
      title: t("name"),
      cell: (entity) => [
        entity.type === "address" || /^[0-9a-f.:]+$/i.test(entity.value) ? hostLink(entity.value) : entity.value,
        one.names?.[entity.value] && h("span", { class: "quiet" }, ` ${one.names[entity.value]}`)
      ]
    },
    {
      title: t("elsewhere"), kind: "fit",
      cell: (entity) => [
        h("a", { href: link("/incidents", { address: entity.value }) }, t("place.incidents")), " · ",
        h("a", { href: link("/intelligence", { indicator: entity.value }) }, t("intelligence.short"))
      ]
    },
  ], items);
  if (all.length <= entitiesShown + 2) return list(all);
  return [list(all.slice(0, entitiesShown)), h("details", {}, h("summary", {}, t("and.more",
    { n: all.length - entitiesShown })), list(all.slice(entitiesShown)))];
}
function timeline(story) {
  return story.timeline?.length ? h("ol", { class: "line" }, story.timeline.map((entry) => h("li", {},
    h(
      "span", { class: "quiet" }, exactly(entry.at), entry.actor ? ` · ${entry.actor}` : ""
    ), h("span", {}, entry.text)))) : none(t("nothing"));
}

/** The evidence with as much before and after it, a minute at least. */
function around(story) {
  const from = Date.parse(story.evidence?.from), to = Date.parse(story.evidence?.to);
  if (!story.evidence?.filter || !Number.isFinite(from) || !Number.isFinite(to)) return null;
  const margin = Math.max(60_000, to - from);
  return { from: from - margin, to: to + margin };
}
async function evidence(story, signal) {
  const between = around(story);
  if (!between) return null;
  const answer = await askSeries({ filter: story.evidence.filter, measure: "octets", between, signal });
  return { answer, filter: story.evidence.filter, between };
}
function drawEvidence(found) {
  if (!found || found.answer.isEmpty) return none(t("flows.none"));
  const { answer, filter, between } = found;
  const time = { range: null, from: new Date(between.from).toISOString(), to: new Date(between.to).toISOString() };
  return [
    stacked(t("evidence"), { ...answer, scale: scale("octets", answer.seconds), show: rate("octets", answer.seconds) }),
    h("div", { class: "row" }, h("a", { class: "button", href: exploring(filter, time) }, t("place.explore"))),
    h("details", {}, h("summary", {}, t("filter")), h("code", { class: "small" }, filter))];
}
async function flows(story, signal) {
  if (!story.evidence?.filter) return { items: [] };
  return get(
    "/v1/flows",
    {
      filter: story.evidence.filter, from: Date.parse(story.evidence.from), to: Date.parse(story.evidence.to) + 1,
      limit: 20
    },
    signal
  );
}

async function pairs(story, signal) {
  if (!story.evidence?.filter) return { items: [] };
  return get("/v1/flows/top", { by: "sourceAddress,destinationAddress", filter: story.evidence.filter, limit: 60,
    from: Date.parse(story.evidence.from), to: Date.parse(story.evidence.to) + 1 }, signal);
}

function findings(one) {
  return table(t("findings"), [
    {
      title: t("pick"), hidden: true, kind: "fit",
      cell: (finding) => h(
        "input",
        { type: "checkbox", class: "finding", value: finding.id, "aria-label": t("pick.one", { title: finding.title }) }
      )
    },
    { title: t("severity"), kind: "fit", cell: (finding) => severity(finding.severity) },
    { title: t("title"), cell: (finding) => [finding.title, h("div", { class: "small quiet" }, finding.rule)] },
    {
      title: t("observed"), kind: "figure",
      cell: (finding) => finding.evidence ? `${number(finding.evidence.observed, 1)} ${finding.evidence.unit}` : "–"
    },
    {
      title: t("threshold"), kind: "figure",
      cell: (finding) => finding.evidence ? number(finding.evidence.threshold, 1) : "–"
    },
    { title: t("flows"), kind: "figure", cell: (finding) => number(finding.evidence?.flows || 0) },
    { title: t("octets"), kind: "figure", cell: (finding) => bytes(finding.evidence?.octets || 0) },
  ], one.findings);
}
function neighbours({ related = [], similar = [] }) {
  if (!related.length && !similar.length) return none(t("neighbours.none"));
  const list = (title, items, why) => items.length > 0 && [h("h3", {}, title), table(title, [
    { title: t("severity"), kind: "fit", cell: (one) => severity(one.severity) },
    { title: t("title"), cell: (one) => h("a", { href: link(`/incidents/${one.incident}`) }, one.title) },
    {
      title: t("status"), kind: "fit",
      cell: (one) => [status(one.status), one.verdict && ` ${word("verdict", one.verdict)}`]
    },
    { title: t("why"), cell: why },
    { title: t("began"), kind: "fit", cell: (one) => when(one.start) },
  ], items)];
  return [
    list(t("related"), related, (one) => (one.shared || []).slice(0, 3).join(", ")),
    list(t("similar"), similar, (one) => percent(one.likeness || 0))
  ];
}
function history(events, one, refresh) {
  return table(t("history"), [
    { title: t("revision"), kind: "figure", cell: (event) => number(event.revision) },
    { title: t("time"), kind: "fit", cell: (event) => exactly(event.at) },
    { title: t("actor"), cell: (event) => event.actor },
    { title: t("event"), cell: (event) => [word("event", event.kind), h("div", { class: "small quiet" }, details(event))] },
    {
      title: t("undo"), hidden: true, kind: "fit",
      cell: (event) => (["absorbed", "split"].includes(event.kind) ? undoButton(one, event, refresh) : null)
    },
  ], [...events].reverse());
}
