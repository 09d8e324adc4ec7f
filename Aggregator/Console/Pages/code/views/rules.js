// What is looked for: built-in detectors, Sigma rules, what people's verdicts say of each, and what is excepted.

import { ask, get, part } from "../api.js";
import { h } from "../dom.js";
import {
  badge, button, choice, confirm, exactly, failed, none, panel, table, toast, when
} from "../parts.js";
import { link } from "../place.js";
import { number, percent, t, word } from "../words.js";

const states = ["draft", "test", "enabled", "disabled"];

export default function rules({ signal }) {
  const sigma = panel(
    t("sigma"), () => get("/v1/sigma/rules", {}, signal), ({ items }) => (items.length ? table(t("sigma"), [
    {
      title: t("title"),
      cell: (one) => h("a", { href: link(`/rules/sigma/${encodeURIComponent(one.key)}`) }, one.title || one.key)
    },
    {
      title: t("state"), kind: "fit",
      cell: (one) => choice(
        states.map((name) => [name, word("rule", name)]), one.state, (state) => change(one, state),
        { "aria-label": `${one.title}: ${t("state")}` }
      )
    },
    {
      title: t("severity"), kind: "fit", cell: (one) => word("severity", one.level || "unknown")
    }, { title: t("origin"), kind: "fit", cell: (one) => word("origin", one.origin) },
    {
      title: t("matches"), kind: "figure", cell: (one) => number(one.matches)
    }, { title: t("raised"), kind: "figure", cell: (one) => number(one.raised) },
    {
      title: t("issues"), kind: "fit",
      cell: (one) => (one.issues.length ? badge(number(one.issues.length), "medium") : "–")
    },
  ], items) : none(t("sigma.none"))), { actions: [
    h("a", { class: "button", href: "/v1/sigma/export", download: "rules.yml" }, t("export.as", { format: "YAML" })),
    h("a", { class: "button main", href: link("/rules/sigma/new") }, t("sigma.new"))] });
  async function change(one, state) {
    const path = `/v1/sigma/rules/${part(one.key)}`;
    try {
      // Of a tenant's own rule the API wants the whole: its text again, as it is.
      const text = one.origin === "own" ? { text: (await get(path)).text } : {};
      await ask("PUT", path, { body: { ...text, state } });
      toast(t("saved"));
    } catch (error) { failed(error); }
    await sigma.refresh();
  }
  const detectors = panel(t("detectors"), () => get("/v1/detectors", {}, signal), ({ items }) => table(t("detectors"), [
    {
      title: t("detector"),
      cell: (one) => h("a", { href: link(`/rules/detector/${encodeURIComponent(one.name)}`) }, one.name)
    },
    {
      title: t("rules"),
      cell: (one) => one.rules.map(
        (rule) => h(
          "div", {}, h("a", { href: link("/incidents", { rule: rule.id }) }, rule.title),
          rule.off && [" ", badge(t("off"), "medium")]
        )
      )
    },
    { title: t("techniques"), cell: (one) => [...new Set(one.rules.flatMap((rule) => rule.techniques))].join(", ") },
    {
      title: t("limits.set"),
      cell: (one) => one.limits.filter((limit) => limit.isSet || limit.isOwn).map((limit) => h("div", { class: "small" },
        h("code", {}, limit.name), ` ${number(limit.value, 2)}`, limit.isOwn && [" ", badge(t("own"), "good")]))
    },
  ], items));
  const feedback = panel(
    t("feedback"), () => get("/v1/feedback", {}, signal), ({ items }) => (items.length ? table(t("feedback"), [
    { title: t("rule"), cell: (one) => one.rule }, {
      title: t("place.incidents"), kind: "figure", cell: (one) => number(one.incidents || 0)
    },
    { title: word("verdict", "true-positive"), kind: "figure", cell: (one) => number(one.truePositive || 0) }, {
      title: word("verdict", "false-positive"), kind: "figure", cell: (one) => number(one.falsePositive || 0)
    },
    { title: word("verdict", "benign"), kind: "figure", cell: (one) => number(one.benign || 0) }, {
      title: t("confirmed"), kind: "figure",
      cell: (one) => (one.truePositive || one.falsePositive || one.benign ? percent(one.confirmed || 0) : "–")
    },
  ], items) : none(t("feedback.none"))));
  const exceptions = panel(
    t("exceptions"), () => get("/v1/exceptions", {}, signal), ({ items }) => (items.length ? table(t("exceptions"), [
    {
      title: t("scope"),
      cell: ({ scope }) => [
        ...(scope.rules || []), ...(scope.networks || []), ...(scope.ports || []).map((port) => `port ${port}`)
      ].join(", ")
    },
    { title: t("reason"), cell: (one) => one.reason }, { title: t("owner"), cell: (one) => one.owner }, {
      title: t("hidden"), kind: "figure", cell: (one) => number(one.hidden)
    },
    {
      title: t("ends"), kind: "fit",
      cell: (one) => (one.endedAt ? [t("ended"), " ", when(one.endedAt)] : exactly(one.expiresAt))
    },
    {
      title: t("act"), hidden: true, kind: "fit",
      cell: (one) => !one.endedAt && button(
        t("end"),
        () => confirm(
          t("end"), t("exception.end"),
          async () => { await ask("DELETE", `/v1/exceptions/${part(one.id)}`); await exceptions.refresh(); }
        )
      )
    },
  ], items) : none(t("exceptions.none"))));
  const panels = [sigma, detectors, feedback, exceptions];
  return {
    title: t("place.rules"),
    nodes: [
      h("div", { class: "head" }, h("h1", {}, t("place.rules"))),
      h("div", { class: "grid" }, panels.map(({ node }) => node))
    ],
    refresh: () => (
      document.activeElement?.tagName === "SELECT" ? null : Promise.all(panels.map((one) => one.refresh()))
    ) };
}
