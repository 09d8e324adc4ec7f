// A report to print or to keep as PDF (the browser's print): what happened in the time on show, in parts that somebody
// picks. Each part is a question of its own, so who may not ask one gets the others.

import { get } from "../api.js";
import { stacked } from "../chart.js";
import { h } from "../dom.js";
import { addUp, amount, askSeries, groupName, incomplete, rate, scale, sum } from "../flows.js";
import { badge, button, exactly, facts, none, panel, severity, status, table } from "../parts.js";
import { change, here, period } from "../place.js";
import { change as changed, moment, number, percent, span, t, word } from "../words.js";
import { health, ledger, losses } from "./ledger.js";
import { counted } from "./trial.js";

const parts = ["summary", "incidents", "traffic", "compliance"], incidentsMax = 200;
const severities = ["critical", "high", "medium", "low"];

export default function report({ me, signal }) {
  const wanted = (here().query.get("parts") || parts.join(",")).split(",").filter((name) => parts.includes(name));
  const between = period(), time = { from: Math.round(between.from), to: Math.round(between.to) };
  const makers = { summary, incidents, traffic, compliance };
  const shown = parts.filter((name) => wanted.includes(name)).map((name) => makers[name](time, signal));
  const boxes = parts.map((name) => h("label", { class: "row check" }, h("input", { type: "checkbox",
    checked: wanted.includes(name), onchange: (event) => change({ parts: parts.filter((other) =>
      (other === name ? event.target.checked : wanted.includes(other))).join(",") || "none" }) }), t(`report.${name}`)));
  const cover = h("section", { class: "panel cover", "aria-label": t("report") }, facts([
    [t("tenant"), me.tenant], [t("from"), exactly(between.from)], [t("to"), exactly(between.to)],
    [t("report.made"), moment(Date.now())], [t("report.by"), me.name]]));
  return {
    title: `${t("report")} ${me.tenant}`,
    nodes: [h("div", { class: "head" }, h("h1", {}, t("report")), h("div", { class: "row unprinted" }, boxes,
      button(t("report.print"), () => print(), { class: "main" }))), cover,
    shown.length ? h("div", { class: "stack report" }, shown.map(({ node }) => node)) : none(t("report.none"))],
    // Who reads it wants it to stay; another time or part is another report.
    refresh: once(() => Promise.all(shown.map((one) => one.refresh()))),
  };
}
function once(act) {
  let done = null;
  return () => (done ??= act());
}

function summary(time, signal) {
  const before = { from: 2 * time.from - time.to, to: time.from };
  const load = async () => {
    const [counts, counted, total, totalBefore] = await Promise.all([
      get("/v1/incidents/counts", iso(time), signal), get("/v1/incidents/counts", iso(before), signal),
      get("/v1/flows/top", { ...time, by: "protocolIdentifier", limit: 1 }, signal),
      get("/v1/flows/top", { ...before, by: "protocolIdentifier", limit: 1 }, signal)]);
    return { counts: counts.items, earlier: counted.items, total: total.total, totalBefore: totalBefore.total };
  };
  return panel(t("report.summary"), load, ({ counts, earlier, total, totalBefore }) => {
    const of = (list, test = () => true) => addUp(list.filter(test).map(({ count }) => count));
    const closed = ({ status: name }) => ["resolved", "false-positive"].includes(name);
    const [now, then] = [sum(total, "octets"), sum(totalBefore, "octets")];
    return [counted(severities.map((name) => [word("severity", name), of(counts, (one) => one.severity === name), name])),
      facts([
        [t("place.incidents"), `${number(of(counts))} (${t("report.before", { n: of(earlier) })})`],
        [t("report.closed"), number(of(counts, closed))],
        [t("report.open"), number(of(counts, (one) => !closed(one)))],
        [t("traffic"), `${amount("octets")(now)} ${then > 0 ? `(${changed(now / then - 1)})` : ""}`],
        [t("flows"), number(sum(total, "flows"))]])];
  });
}
function incidents(time, signal) {
  const load = () => get("/v1/incidents", { ...iso(time), limit: incidentsMax }, signal);
  return panel(t("report.incidents"), load, ({ items, next }) => {
    if (!items.length) return none(t("incidents.none"));
    const rank = (one) => severities.indexOf(one.severity);
    const taken = items.map((one) => Date.parse(one.closedAt) - Date.parse(one.openedAt)).filter(Number.isFinite);
    const middle = taken.sort((a, b) => a - b)[Math.floor(taken.length / 2)];
    return [middle !== undefined && h("p", {}, t("report.median", { time: span(middle) })),
      table(t("report.incidents"), [
        { title: t("severity"), kind: "fit", cell: (one) => severity(one.severity) },
        { title: t("title"), cell: (one) => one.title },
        { title: t("status"), kind: "fit", cell: (one) => [status(one.status), one.verdict
          && ` ${word("verdict", one.verdict.kind)}`] },
        { title: t("began"), kind: "fit", cell: (one) => exactly(one.start) },
        { title: t("report.closed"), kind: "fit", cell: (one) => (one.closedAt ? exactly(one.closedAt) : "–") },
      ], [...items].sort((a, b) => rank(a) - rank(b))), next && h("p", { class: "note" },
        t("incidents.shown", { n: items.length }))];
  });
}
function traffic(time, signal) {
  const load = async () => {
    const [series, ...tops] = await Promise.all([
      askSeries({ by: "service", measure: "octets", limit: 5, compare: true, between: time, signal, rollups: "true" }),
      ...["service", "sourceAddress", "destinationAddress"].map((by) =>
        get("/v1/flows/top", { ...time, by, limit: 10 }, signal).then((answer) => ({ by, ...answer })))]);
    return { series, tops };
  };
  return panel(t("report.traffic"), load, ({ series, tops }) => (series.isEmpty ? none(t("traffic.none")) : [
    stacked(t("traffic"), { ...series, scale: scale("octets", series.seconds), show: rate("octets", series.seconds),
      before: addUp(series.before) > 0 ? series.before : null }),
    h("div", { class: "columns" }, tops.map((top) => h("div", {}, h("h3", {}, word("by", top.by)),
      table(word("by", top.by), [
      { title: t("name"), cell: (one) => groupName(top.by, one) },
      { title: t("octets"), kind: "figure", cell: (one) => amount("octets")(sum(one, "octets")) },
      { title: t("share"), kind: "figure", cell: (one) => percent(sum(one, "octets") / (sum(top.total, "octets") || 1)) },
    ], top.items)))), incomplete(series.now)]));
}
/** Whether all was seen, who looks after it, and whether the record of that is whole. */
function compliance(time, signal) {
  const load = async () => {
    const may = (promise) => promise.catch((error) => { if (error.name === "AbortError") throw error; return null; });
    const [sensors, audit, exceptions] = await Promise.all([get("/v1/sensors", {}, signal),
      may(get("/v1/audit/verify", {}, signal)), may(get("/v1/exceptions", {}, signal))]);
    const controls = await may(get("/v1/compliance", {}, signal));
    return { sensors: sensors.items, audit, exceptions: exceptions?.items, controls: controls?.controls };
  };
  return panel(t("report.compliance"), load, ({ sensors, audit, exceptions, controls }) => {
    const inForce = exceptions?.filter((one) => !one.endedAt && Date.parse(one.expiresAt) > Date.now()) || [];
    return [h("h3", {}, t("ledger")), losses(ledger(sensors)),
      h("h3", {}, t("place.sensors")), sensors.length ? table(t("place.sensors"), [
        { title: t("sensor"), cell: (one) => one.id }, { title: t("state"), kind: "fit", cell: (one) => badge(...health(one)) },
        { title: t("certificate.until"), kind: "fit", cell: (one) => exactly(one.certificateExpiry) },
        { title: t("version"), kind: "fit", cell: (one) => one.version || "–" }], sensors) : none(t("sensors.none")),
      h("h3", {}, t("exceptions")), inForce.length ? table(t("exceptions"), [
        { title: t("reason"), cell: (one) => one.reason }, { title: t("owner"), cell: (one) => one.owner },
        { title: t("hidden"), kind: "figure", cell: (one) => number(one.hidden) },
        { title: t("ends"), kind: "fit", cell: (one) => exactly(one.expiresAt) }], inForce) : none(t("exceptions.none")),
      h("h3", {}, t("audit")), h("p", {}, audit === null ? t("error.forbidden")
        : audit.isWhole ? t("audit.whole") : t("audit.broken")),
      controls?.length > 0 && [h("h3", {}, t("report.controls")), table(t("report.controls"), [
        { title: t("report.framework"), kind: "fit", cell: (one) => `${one.framework} ${one.id}` },
        { title: t("subject"), cell: (one) => one.subject },
        { title: t("state"), kind: "fit", cell: (one) => (one.holds ? badge(t("yes"), "good") : badge(t("no"), "medium")) },
        { title: t("report.missing"), cell: (one) => (one.missing || []).join(", ") || "–" }], controls)]];
  });
}
const iso = ({ from, to }) => ({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
