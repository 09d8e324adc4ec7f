// The console's own small set of parts. Each gives elements and knows nothing of the API's routes.

import { h, fill } from "./dom.js";
import { moment, ago, t, word } from "./words.js";

/** A coloured word; its mark has a shape too, so that colour says nothing alone. */
export const badge = (text, kind = "") => h("span", { class: `badge ${kind}` }, text);
export const severity = (name) => badge(word("severity", name), name);
const states = { new: "high", triaged: "medium", "in-progress": "medium", contained: "good", resolved: "good" };
export const status = (name) => badge(word("status", name), `${states[name] || ""} bare`);
/** When: how long ago, with the exact time at hand. */
export const when = (value) => timed(value, (time) => [{ title: moment(time) }, ago(time)]);
export const exactly = (value) => timed(value, (time) => [{}, moment(time)]);
/** What is no time is shown as it is. */
function timed(value, words) {
  if (value === null || value === undefined || value === "") return h("span", {}, "–");
  const time = new Date(value);
  if (!Number.isFinite(time.getTime())) return h("span", {}, String(value));
  const [attributes, text] = words(time);
  return h("time", { datetime: time.toISOString(), ...attributes }, text);
}

export const button = (text, onclick, attributes = {}) => h("button", { type: "button", onclick, ...attributes }, text);
let fields = 0;
export function field(text, input, hint) {
  const id = `f${(fields += 1)}`;
  input.id = id;
  if (hint) input.setAttribute("aria-describedby", `${id}h`);
  return h(
    "div", { class: "field" }, h("label", { for: id }, text), input,
    hint && h("span", { class: "quiet", id: `${id}h` }, hint)
  );
}
export function choice(options, value, onchange, attributes = {}) {
  const select = h("select", { onchange: (event) => onchange?.(event.target.value), ...attributes },
    options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
  return select;
}

/** `columns`: `{ title, cell(row), kind }`; on phones a row becomes a card with the titles beside its values. */
export function table(caption, columns, rows, attributes = () => ({})) {
  const head = columns.map(({ title, kind, hidden }) =>
    h("th", { scope: "col", class: kind }, hidden ? h("span", { class: "unseen" }, title) : title));
  const body = rows.map((row) => h("tr", attributes(row), columns.map(({ title, cell, kind, hidden }) =>
    h("td", { class: kind, "data-title": hidden ? null : title }, h("div", { class: "value" }, cell(row))))));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h("table", { class: "cards" }, h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}
export const none = (text) => h("p", { class: "none" }, text);
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** Why something failed, in words, and a way to try again. */
export function failure(error, again) {
  const isForbidden = error.status === 403 && error.kind !== "feature-off";
  const text = isForbidden ? t("error.forbidden") : error.status ? error.message : t("error.network");
  return h("div", { class: "problem row", role: "alert" }, h("span", {}, text), again && button(t("retry"), again));
}

/** A part of a page that loads by itself: it shows that it waits, has failed, is empty, or what it has. What is there
    stays until the next answer is. An `optional` one is not seen where the API does not know its route. */
export function panel(title, load, draw, { span = "", actions = [], level = "h2", optional = false } = {}) {
  const body = h("div", { class: "stack", "aria-busy": "true" }, h("div", { class: "waits" }));
  const node = h("section", { class: `panel ${span}`, "aria-label": title },
    h("header", {}, h(level, {}, title), actions), body);
  let turn = 0;
  async function refresh() {
    const mine = ++turn;
    body.setAttribute("aria-busy", "true");
    try {
      const value = await load();
      if (mine === turn) fill(body, draw(value));
    } catch (error) {
      if (optional && error.status === 404) {
        node.hidden = true;
        fill(body);
      } else if (mine === turn && error.name !== "AbortError") fill(body, failure(error, refresh));
    }
    if (mine === turn) body.setAttribute("aria-busy", "false");
  }
  return { node, refresh, body };
}

/** A form that sends once, shows what is refused and keeps what was written. */
export function form(fields, text, send, { kind = "main", extra = [] } = {}) {
  const problem = h("div", { class: "problem", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: kind }, text);
  const node = h("form", { class: "form", onsubmit }, fields, problem, h("div", { class: "row" }, submit, extra));
  async function onsubmit(event) {
    event.preventDefault();
    submit.disabled = true;
    problem.hidden = true;
    try {
      await send(Object.fromEntries(new FormData(node)), node);
    } catch (error) {
      problem.hidden = false;
      fill(problem, error.status ? error.message : t("error.network"));
    }
    submit.disabled = false;
  }
  return node;
}

export function dialog(title, ...body) {
  const id = `d${(fields += 1)}`;
  const node = h("dialog", { "aria-labelledby": id, onclose: () => node.remove() },
    h("div", { class: "stack" }, h("div", { class: "head" }, h("h2", { id }, title),
      button(t("close"), () => node.close())), body));
  document.body.append(node);
  node.showModal();
  return node;
}
/** Asks before what can't be taken back. */
export function confirm(title, text, act) {
  const node = dialog(title, h("p", {}, text), form([], title, async () => { await act(); node.close(); }));
}

const toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
export function toast(text, action, undo) {
  if (!toasts.isConnected) document.body.append(toasts);
  const node = h("div", { class: "toast" }, h("span", {}, text),
    undo && button(action, () => { node.remove(); undo(); }));
  toasts.append(node);
  setTimeout(() => node.remove(), undo ? 12_000 : 6_000);
}
/** What somebody left meanwhile has not failed. */
export function failed(error) {
  if (error.name !== "AbortError") toast(error.status ? error.message : t("error.network"));
}
