// What a tenant sets for itself: features that it does without, and how long what is kept. A node that has no such
// routes shows no such parts.

import { ask, get, part } from "../api.js";
import { h } from "../dom.js";
import { badge, button, confirm, dialog, failed, field, form, panel, table, toast, when } from "../parts.js";
import { number, t, word } from "../words.js";

export function features(signal, changed) {
  const list = panel(t("features"), () => get("/v1/features", {}, signal), ({ items }) => table(t("features"), [
    { title: t("name"), kind: "fit", cell: (one) => one.name },
    { title: t("detail"), cell: (one) => one.summary },
    { title: t("state"), kind: "fit", cell: (one) => (one.on ? badge(t("on"), "good") : badge(t("off"), "medium")) },
    { title: t("actor"), cell: (one) => (one.actor ? [one.actor, " ", when(one.at)] : "–") },
    { title: t("act"), hidden: true, kind: "fit", cell: (one) => button(one.on ? t("turn.off") : t("turn.on"), () =>
      (one.on ? confirm(t("turn.off"), t("feature.off", { name: one.name }), () => turn(one)) : turn(one).catch(failed))) },
  ], items), { optional: true });
  async function turn(one) {
    await ask("PUT", `/v1/features/${part(one.name)}`, { body: { on: !one.on } });
    toast(t("saved"));
    await changed();
  }
  return list;
}

export function retention(signal, changed) {
  const days = (value) => (value === undefined || value === null ? "–" : t("day.count", { n: value }));
  const list = panel(t("retention"), () => get("/v1/retention", {}, signal), ({ items }) => table(t("retention"), [
    { title: t("kind"), cell: (one) => word("keeps", one.kind) },
    { title: t("retention.node"), kind: "figure", cell: (one) => days(one.node) },
    { title: t("retention.own"), kind: "figure", cell: (one) => days(one.own) },
    { title: t("retention.now"), kind: "figure", cell: (one) => days(one.inForce) },
    { title: t("act"), hidden: true, kind: "fit", cell: (one) => button(t("edit"), () => write(one)) },
  ], items), { optional: true });
  function write(one) {
    const input = h("input", { name: "days", type: "number", min: "1", max: one.node ?? 36_500, value: one.own ?? "" });
    const node = dialog(`${t("retention")}: ${word("keeps", one.kind)}`, h("p", { class: "note" }, t("retention.text")),
      form([field(t("days"), input, t("retention.hint"))], t("save"), async (values) => {
        await ask("PUT", `/v1/retention/${part(one.kind)}`, { body: { days: values.days === "" ? null : Number(values.days) } });
        node.close();
        toast(t("saved"));
        await changed();
      }));
  }
  return list;
}

/** What was said against sensors: quarantine, revocation; with what is held of each. */
export function marks(signal, id) {
  const path = `/v1/sensors/${part(id)}`;
  const act = async (method, what, body) => {
    await ask(method, `${path}/${what}`, { body });
    toast(t("saved"));
    await list.refresh();
  };
  const reason = (what, text) => {
    const node = dialog(t(`mark.${what}`), h("p", { class: "note" }, text), form([field(t("reason"),
      h("input", { name: "reason", required: true, maxlength: "200" }))], t(`mark.${what}`), async (values) => {
      await act("PUT", what, { reason: values.reason });
      node.close();
    }));
  };
  const end = (what) => confirm(t("end"), t(`mark.${what}.end`), () => act("DELETE", what));
  const list = panel(t("marks"), () => get("/v1/sensors/marks", {}, signal), ({ items }) => {
    const own = items.filter((one) => one.id === id), has = (kind) => own.some((one) => one.kind === kind);
    return [own.length ? table(t("marks"), [
      { title: t("kind"), kind: "fit", cell: (one) => badge(word("mark", one.kind), "high") },
      { title: t("reason"), cell: (one) => one.reason || "–" }, { title: t("actor"), cell: (one) => one.actor },
      { title: t("time"), kind: "fit", cell: (one) => when(one.at) },
      { title: t("held"), kind: "figure", cell: (one) => number(one.heldBatches || 0) },
    ], own) : h("p", { class: "quiet small" }, t("marks.none")), h("div", { class: "row" },
      has("quarantined") ? button(t("mark.release"), () => end("quarantine"))
        : button(t("mark.quarantine"), () => reason("quarantine", t("mark.quarantine.text"))),
      has("revoked") ? button(t("mark.restore"), () => end("revocation"))
        : button(t("mark.revocation"), () => reason("revocation", t("mark.revocation.text"))))];
  }, { span: "half", optional: true });
  return list;
}
