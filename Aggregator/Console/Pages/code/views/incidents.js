// The queue: filters that the address holds and that can be kept by a name, work by keys, changes to many at once.

import { ask, get } from "../api.js";
import { fill, h } from "../dom.js";
import { hostLink } from "../flows.js";
import {
  button, choice, dialog, failed, failure, field, form, none, severity, status, table, toast, when
} from "../parts.js";
import { change, go, here, link, period } from "../place.js";
import { keep, kept, number, t, word } from "../words.js";
import { grownOnly } from "./work.js";

const severities = ["critical", "high", "medium", "low"];
const statuses = ["open", "new", "triaged", "in-progress", "contained", "resolved", "false-positive"];
const filters = ["status", "severity", "assignee", "rule", "tag", "address"];
const pageSize = 50;
/** What a key gives the incidents that are picked. */
const verbs = {
  t: { status: "triaged" }, p: { status: "in-progress" }, c: { status: "contained" }, r: { status: "resolved" },
  f: { status: "false-positive" }
};

export default function incidents({ me, signal }) {
  let items = [], next = null, picked = new Set(), at = 0;
  const list = h("div", { class: "stack" }, h("div", { class: "waits" })), bulk = h(
    "div", { class: "bulk row", role: "region", "aria-label": t("bulk"), hidden: true }
  );
  const count = h("span", { class: "small quiet", role: "status" });

  const query = () => {
    const now = here().query, between = period();
    return { ...Object.fromEntries(filters.map((name) => [name, now.get(name)])), limit: pageSize,
      from: new Date(between.from).toISOString(), to: new Date(between.to).toISOString() };
  };
  async function refresh() {
    try {
      const answer = await get("/v1/incidents", query(), signal);
      [items, next] = [answer.items, answer.next];
      picked = new Set(items.map((one) => one.id).filter((id) => picked.has(id)));
      draw();
    } catch (error) {
      if (error.name !== "AbortError") fill(list, failure(error, refresh));
    }
  }
  async function more() {
    const answer = await get("/v1/incidents", { ...query(), cursor: next }, signal).catch(failed);
    if (!answer) return;
    items = [...items, ...answer.items];
    next = answer.next;
    draw();
  }

  function draw() {
    at = Math.max(0, Math.min(at, items.length - 1));
    const hadFocus = list.contains(document.activeElement) && document.activeElement.closest("tr")?.dataset.id;
    fill(count, t(next ? "incidents.shown" : "incidents.count", { n: items.length }));
    fill(
      list, items.length ? rows() : none(t("incidents.none")),
      next && h("div", { class: "row" }, button(t("more"), more))
    );
    drawBulk();
    if (hadFocus) focusRow(items.findIndex((one) => one.id === hadFocus));
  }
  const rows = () => table(t("place.incidents"), [
    {
      title: t("pick"), hidden: true, kind: "fit",
      cell: (one) => h(
        "input",
        {
          type: "checkbox", checked: picked.has(one.id), "aria-label": t("pick.one", { title: one.title }),
          onchange: () => pick(one)
        }
      )
    },
    { title: t("severity"), kind: "fit", cell: (one) => severity(one.severity) },
    {
      title: t("title"), cell: (one) => [h("a", { href: link(`/incidents/${one.id}`) }, one.title),
      one.breaches?.length ? h("span", { class: "small quiet" }, ` ${t("overdue")}`) : null,
      h("div", { class: "small quiet" }, (one.tags || []).map((tag) => `#${tag} `))] },
    { title: t("attackers"), cell: (one) => who(one, "attacker") },
    { title: t("victims"), cell: (one) => who(one, "victim") },
    { title: t("status"), kind: "fit", cell: (one) => status(one.status) },
    {
      title: t("assignee"), cell: (one) => (one.assignee ? (one.assignee === me.person ? t("me") : one.assignee) : "–")
    },
    { title: t("findings"), kind: "figure", cell: (one) => number(one.findings.length) },
    { title: t("last.seen"), kind: "fit", cell: (one) => when(one.end) },
  ], items, (one) => ({ class: picked.has(one.id) ? "picked" : null, "data-id": one.id }));
  function who(one, role) {
    const hosts = one.entities.filter((entity) => entity.role === role);
    return [
      hosts.slice(0, 2).map(({ value }) => h("div", {}, hostLink(value))),
      hosts.length > 2 && h("div", { class: "small quiet" }, t("and.more", { n: hosts.length - 2 }))
    ];
  }

  function pick(one) {
    if (picked.has(one.id)) picked.delete(one.id); else picked.add(one.id);
    draw();
  }
  function drawBulk() {
    const chosen = items.filter((one) => picked.has(one.id));
    bulk.hidden = chosen.length === 0;
    if (bulk.hidden) return;
    const state = choice(
      [["", t("bulk.status")], ...statuses.slice(1).map((name) => [name, word("status", name)])], "",
      (value) => value && apply(chosen, { status: value }), { "aria-label": t("bulk.status") }
    );
    fill(
      bulk, h("strong", {}, t("bulk.picked", { n: chosen.length })), state,
      button(t("assign.me"), () => apply(chosen, { assignee: me.person })),
      button(
        t("unassign"), () => apply(chosen, { assignee: null })
      ), button(t("tag.add"), () => askTag(chosen)), button(t("pick.none"), () => { picked.clear(); draw(); }));
  }
  function askTag(chosen) {
    const node = dialog(
      t("tag.add"), form([field(t("tag"), h("input", { name: "tag", required: true, maxlength: "64" }))], t("apply"),
      async ({ tag }) => {
      await apply(chosen, { tags: { add: [tag] } });
      node.close();
    }));
  }
  /** Each by the revision that was seen; what was refused is said, what was done can be taken back. */
  async function apply(chosen, edit, isUndo = false) {
    try {
      const results = await send(chosen, edit, isUndo);
      const refused = results.filter((one) => one.status !== 200), done = results.length - refused.length;
      const undo = !isUndo && (
        edit.status || edit.assignee !== undefined
      ) && done > 0 ? () => undoAll(chosen, results, edit) : null;
      toast(
        [t("bulk.done", { n: done }), ...refused.slice(0, 3).map((one) => one.detail)].join(" · "), t("undo"), undo
      );
      if (!isUndo) picked.clear();
    } catch (error) { failed(error); }
    await refresh();
  }
  /** Those that only detection has changed since are tried once more. */
  async function send(chosen, edit, isUndo) {
    const post = async (ones) => (
      await ask(
        "POST", "/v1/incidents/bulk",
        { body: { incidents: ones.map((one) => ({ incident: one.id, revision: one.revision })), change: edit } }
      )
    ).items;
    const results = await post(chosen), late = new Set(
      results.filter((one) => one.status === 412).map((one) => one.incident)
    );
    if (!late.size || isUndo) return results;
    const grown = (await Promise.all(chosen.filter(({ id }) => late.has(id)).map(grownOnly))).filter(Boolean);
    if (!grown.length) return results;
    const again = new Map((await post(grown)).map((one) => [one.incident, one]));
    return results.map((one) => again.get(one.incident) || one);
  }
  async function undoAll(chosen, results, edit) {
    const revisions = new Map(results.filter((one) => one.status === 200).map((one) => [one.incident, one.revision]));
    const name = edit.status ? "status" : "assignee", groups = new Map();
    for (const one of chosen.filter(({ id }) => revisions.has(id))) {
      const before = one[name] ?? null;
      groups.set(before, [...(groups.get(before) || []), { id: one.id, revision: revisions.get(one.id) }]);
    }
    for (const [before, ones] of groups) await apply(ones, { [name]: before }, true);
  }

  // Keys work while the focus is in the queue, so that no key of a reader's or a browser's is taken elsewhere.
  function press(event) {
    if (
      event.target.closest(
        "input:not([type=checkbox]), select, textarea"
      ) || event.ctrlKey || event.metaKey || event.altKey
    ) return;
    const row = event.target.closest("tr[data-id]"), one = items[at];
    if (row) at = items.findIndex((item) => item.id === row.dataset.id);
    const current = items[at] || one, chosen = () => (
      picked.size ? items.filter(({ id }) => picked.has(id)) : current ? [current] : []
    );
    const keys = {
      j: () => focusRow(row ? at + 1 : 0), ArrowDown: () => focusRow(row ? at + 1 : 0), k: () => focusRow(at - 1),
      ArrowUp: () => focusRow(at - 1),
      x: () => current && pick(current), o: () => current && go(`/incidents/${current.id}`), a: () => apply(
        chosen(), { assignee: me.person }
      ), "?": help };
    for (const [key, edit] of Object.entries(verbs)) keys[key] = () => chosen().length && apply(chosen(), edit);
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
  function focusRow(place) {
    if (!items.length) return;
    at = Math.max(0, Math.min(place, items.length - 1));
    list.querySelectorAll("tr[data-id] input")[at]?.focus();
  }
  function help() {
    const lines = [
      ["j k", "keys.move"], ["x", "keys.pick"], ["o", "keys.open"], ["a", "assign.me"],
      ...Object.entries(verbs).map(([key, { status: name }]) => [key, name])
    ];
    dialog(t("keys"), h("p", { class: "quiet small" }, t("keys.hint")), h("dl", { class: "facts" },
      lines.map(
        ([keys, key]) => [
          h("dt", {}, keys.split(" ").map((one) => [h("kbd", {}, one), " "])),
          h("dd", {}, key in verbsByName ? word("status", key) : t(key))
        ]
      )));
  }
  const verbsByName = Object.fromEntries(Object.values(verbs).map(({ status: name }) => [name, true]));

  const queue = h(
    "section", { class: "panel", "aria-label": t("place.incidents"), onkeydown: press },
    h("header", {}, count, button(t("keys"), help)), list
  );
  return {
    title: t("place.incidents"),
    nodes: [h("div", { class: "head" }, h("h1", {}, t("place.incidents"))), filterBar(me), queue, bulk],
    refresh,
  };
}

function filterBar(me) {
  const now = here().query, any = (key) => ["", t(key)];
  const select = (name, options, title) => field(
    title, choice(options, now.get(name) || "", (value) => change({ [name]: value }))
  );
  const input = (name, title) => field(
    title,
    h("input", { value: now.get(name) || "", onchange: (event) => change({ [name]: event.target.value.trim() }) })
  );
  const fields = [
    select("status", [any("any"), ...statuses.map((name) => [name, word("status", name)])], t("status")),
    select("severity", [any("any"), ...severities.map((name) => [name, word("severity", name)])], t("severity")),
    select("assignee", [any("any"), [me.person, t("me")], ["none", t("nobody")]], t("assignee")),
    input("rule", t("rule")), input("tag", t("tag")), input("address", t("address")),
  ];
  const clear = Object.fromEntries(filters.map((name) => [name, null]));
  return h("section", { class: "panel", "aria-label": t("filters") }, h("div", { class: "tiles" }, fields),
    h(
      "div", { class: "row" }, saved(clear), button(t("filter.keep"), keepFilter),
      button(t("filter.clear"), () => change(clear))
    ));
}
// Kept in this browser: the API has no place for them.
const keptFilters = () => {
  try { return Object.entries(JSON.parse(kept("weir.filters") || "{}")); } catch { return []; }
};
function saved(clear) {
  return keptFilters().map(
    ([name, values]) => h("span", { class: "row" }, button(name, () => change({ ...clear, ...values })),
    button("×", () => {
      keep("weir.filters", JSON.stringify(Object.fromEntries(keptFilters().filter(([other]) => other !== name))));
      dispatchEvent(new Event("hashchange"));
    }, { "aria-label": t("filter.drop", { name }), class: "plain" })));
}
function keepFilter() {
  const now = here().query, values = Object.fromEntries(
    filters.map((name) => [name, now.get(name)]).filter(([, value]) => value)
  );
  const node = dialog(
    t("filter.keep"), h("p", { class: "quiet small" }, t("filter.kept.here")),
    form([field(t("name"), h("input", { name: "name", required: true, maxlength: "40" }))], t("save"),
    async ({ name }) => {
    keep("weir.filters", JSON.stringify(Object.fromEntries([...keptFilters(), [name, values]])));
    node.close();
    dispatchEvent(new Event("hashchange"));
  }));
}
