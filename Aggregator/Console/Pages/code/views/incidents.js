// The queue: filters that the address holds and that can be kept by a name, work by keys, changes to many at once.

import { ask, get, part } from "../api.js";
import { rememberLast } from "../device.js";
import { fill, h } from "../dom.js";
import { hostLink } from "../flows.js";
import { button, choice, dialog, failed, failure, field, form, none, severity, status, toast, when } from "../parts.js";
import { change, go, here, link, period } from "../place.js";
import { ago, number, t, word } from "../words.js";
import { longList } from "./queue.js";
import { saved } from "./saved.js";
import { grownOnly } from "./work.js";

const severities = ["critical", "high", "medium", "low"];
const statuses = ["open", "new", "triaged", "in-progress", "contained", "resolved", "false-positive"];
const filters = ["status", "severity", "assignee", "rule", "tag", "address"];
const firstPage = 50, nextPage = 200, pageMax = 1_000, singleMax = 10;
/** What a key gives the incidents that are picked. */
const verbs = {
  t: { status: "triaged" }, p: { status: "in-progress" }, c: { status: "contained" }, r: { status: "resolved" },
  f: { status: "false-positive" }
};
/** The order of the list: newest first. */
const isAfter = (a, b) => (a.start === b.start ? a.id < b.id : a.start < b.start);

export default function incidents({ me, signal }) {
  let items = [], next = null, total = 0, picked = new Set(), at = 0, asking = null;
  const list = h("div", { class: "stack" }, h("div", { class: "waits" }));
  const bulk = h("div", { class: "bulk row", role: "region", "aria-label": t("bulk"), hidden: true });
  const count = h("span", { class: "small quiet", role: "status" });

  const query = () => {
    const now = here().query, between = period();
    return { ...Object.fromEntries(filters.map((name) => [name, now.get(name)])),
      from: new Date(between.from).toISOString(), to: new Date(between.to).toISOString() };
  };
  /** Asks for what the window has come to; what is further down stays as it was found, unless all is wanted anew. */
  async function refresh({ anew = false } = {}) {
    const reached = Math.max(firstPage, rows.node.isConnected ? Math.min(items.length, rows.seen()) : 0);
    const limit = Math.min(pageMax, Math.ceil(reached / firstPage) * firstPage);
    try {
      const [answer, counts] = await Promise.all([
        get("/v1/incidents", { ...query(), limit }, signal), get("/v1/incidents/counts", query(), signal)]);
      const last = answer.items.at(-1), known = new Set(answer.items.map(({ id }) => id));
      const below = answer.next && !anew ? items.filter((one) => !known.has(one.id) && isAfter(one, last)) : [];
      if (!below.length) next = answer.next;
      items = [...answer.items, ...below];
      total = counts.items.reduce((all, one) => all + one.count, 0);
      picked = new Set(items.map((one) => one.id).filter((id) => picked.has(id)));
      if (!filters.some((name) => here().query.get(name))) rememberLast(items);
      draw();
    } catch (error) {
      if (error.name !== "AbortError") fill(list, failure(error, () => refresh()));
    }
  }
  /** What changed far down is asked for alone. */
  async function happened(changes) {
    await refresh();
    const late = changes.filter(({ incident, revision }) =>
      items.some((one) => one.id === incident && one.revision < revision)).slice(0, singleMax);
    const found = await Promise.all(late.map(({ incident }) =>
      get(`/v1/incidents/${part(incident)}`, {}, signal).catch(() => null)));
    for (const now of found.filter(Boolean)) items = items.map((one) => (one.id === now.id ? now : one));
    if (found.length) draw();
  }
  async function more() {
    if (!next || asking) return;
    asking = get("/v1/incidents", { ...query(), limit: nextPage, cursor: next }, signal);
    try {
      const answer = await asking, known = new Set(items.map(({ id }) => id));
      items = [...items, ...answer.items.filter(({ id }) => !known.has(id))];
      next = answer.next;
    } catch (error) {
      if (error.name !== "AbortError") failed(error);
      next = null;
    }
    asking = null;
    if (!signal.aborted) draw();
  }

  function draw() {
    at = Math.max(0, Math.min(at, items.length - 1));
    fill(count, t("incidents.count", { n: Math.max(total, items.length) }));
    if (!items.length) fill(list, none(t("incidents.none")));
    else if (!rows.node.isConnected) fill(list, rows.node);
    if (items.length) rows.show(items);
    drawBulk();
  }
  const rows = longList(t("place.incidents"), [
    {
      title: t("pick"), hidden: true, kind: "w-pick",
      cell: (one) => h("input", { type: "checkbox", checked: picked.has(one.id),
        "aria-label": t("pick.one", { title: one.title }), onchange: () => pick(one) })
    },
    { title: t("severity"), kind: "w-severity", cell: (one) => severity(one.severity) },
    { title: t("title"), kind: "w-title", cell: (one) => [
      h("a", { href: link(`/incidents/${one.id}`), title: one.title }, one.title),
      one.breaches?.length ? h("span", { class: "small late" }, ` ${t("overdue")}`) : null,
      (one.tags || []).map((tag) => h("span", { class: "small quiet" }, ` #${tag}`))] },
    { title: t("attackers.victims"), kind: "w-who", cell: (one) => [who(one, "attacker"), who(one, "victim")] },
    { title: t("status"), kind: "w-status", cell: (one) => status(one.status) },
    { title: t("assignee"), kind: "w-assignee", cell: (one) =>
      (one.assignee ? (one.assignee === me.person ? t("me") : one.assignee) : "–") },
    { title: t("findings"), kind: "w-findings figure", cell: (one) => number(one.findings.length) },
    { title: t("last.seen"), kind: "w-seen", cell: (one) => when(one.end) },
  ], {
    key: (one) => one.id, near: more, state: (one) => `${one.revision} ${picked.has(one.id)} ${ago(one.end)}`,
    attributes: (one) => ({ class: picked.has(one.id) ? "picked" : null }),
  });
  rows.follow(signal);
  function who(one, role) {
    const hosts = one.entities.filter((entity) => entity.role === role);
    if (!hosts.length) return null;
    return h("div", {}, h("span", { class: "quiet" }, role === "victim" ? "→ " : ""), hostLink(hosts[0].value),
      hosts.length > 1 && h("span", { class: "small quiet" }, ` +${number(hosts.length - 1)}`));
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
      const results = await send(chosen, edit);
      const refused = results.filter((one) => one.status !== 200), done = results.length - refused.length;
      const undo = !isUndo && (
        edit.status || edit.assignee !== undefined
      ) && done > 0 ? () => undoAll(chosen, results, edit) : null;
      toast(
        [t("bulk.done", { n: done }), ...refused.slice(0, 3).map((one) => one.detail)].join(" · "), t("undo"), undo
      );
      if (!isUndo) picked.clear();
    } catch (error) { failed(error); }
    await refresh({ anew: true });
  }
  /** Those that only detection has changed since are tried once more. */
  async function send(chosen, edit) {
    const post = async (ones) => (
      await ask(
        "POST", "/v1/incidents/bulk",
        { body: { incidents: ones.map((one) => ({ incident: one.id, revision: one.revision })), change: edit } }
      )
    ).items;
    const results = await post(chosen), late = new Set(
      results.filter((one) => one.status === 412).map((one) => one.incident)
    );
    if (!late.size) return results;
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
      const now = { ...one, [name]: edit[name] ?? undefined, revision: revisions.get(one.id) };
      groups.set(before, [...(groups.get(before) || []), now]);
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
    rows.reach(at)?.querySelector("input")?.focus({ preventScroll: true });
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
    refresh, happened,
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
  return h("section", { class: "panel", "aria-label": t("filters") }, h("div", { class: "tiles" }, fields),
    saved("weir.filters", filters));
}
