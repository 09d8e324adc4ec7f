// A long list of which only the rows near the window are there: all have one height, and empty rows stand for the
// others, so that a hundred thousand scroll as ten do.

import { h } from "../dom.js";

const spare = 12, step = 6;

/** - `columns`: as of `table`; `key(item)`: who it is; `state(item)`: when this text changes, the row is drawn anew.
    - `attributes(item)`: of a row; `near()`: told when the end comes into sight. */
export function longList(caption, columns, { key, state, attributes, near }) {
  const space = () => h("tr", { class: "space", "aria-hidden": "true" }, h("td", {}));
  const above = space(), below = space(), body = h("tbody", {}, above, below);
  const head = columns.map(({ title, kind, hidden }) =>
    h("th", { scope: "col", class: kind }, hidden ? h("span", { class: "unseen" }, title) : title));
  const grid = h("table", { class: "long" }, h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, head)), body);
  const node = h("div", { class: "queue" }, grid);
  let items = [], drawn = new Map(), height = 56, waits = false;

  function row(item, place) {
    const id = key(item), text = state(item), old = drawn.get(id);
    if (old && old.text === text) {
      old.node.setAttribute("aria-rowindex", String(place + 2));
      return old;
    }
    const made = h("tr", { ...attributes(item), "data-id": id, "aria-rowindex": place + 2 }, columns.map((column) =>
      h("td", { class: column.kind }, h("div", { class: "value" }, column.cell(item)))));
    if (old) {
      const isFocused = old.node.contains(document.activeElement);
      old.node.replaceWith(made);
      if (isFocused) made.querySelector("input")?.focus({ preventScroll: true });
    }
    return { node: made, text };
  }
  function draw() {
    waits = false;
    if (!node.isConnected) return;
    const top = -body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((Math.floor(top / height) - spare) / step) * step);
    const last = Math.min(items.length, first + Math.ceil(innerHeight / height) + 2 * spare + step);
    const wanted = new Map();
    let next = above.nextSibling;
    for (let place = first; place < last; place += 1) {
      const id = key(items[place]), old = drawn.get(id)?.node, one = row(items[place], place);
      wanted.set(id, one);
      if (next === old) next = one.node;
      while (next !== below && next !== one.node && !isWanted(next, first, last)) {
        const gone = next;
        next = next.nextSibling;
        gone.remove();
      }
      if (next === one.node) next = next.nextSibling; else body.insertBefore(one.node, next);
    }
    while (next !== below) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
    drawn = wanted;
    above.style.setProperty("--space", `${first * height}px`);
    below.style.setProperty("--space", `${Math.max(0, items.length - last) * height}px`);
    grid.setAttribute("aria-rowcount", String(items.length + 1));
    measure();
    if (last > items.length - 2 * spare) near();
  }
  const places = new Map();
  const isWanted = (one, first, last) => {
    const place = places.get(one.dataset.id);
    return place !== undefined && place >= first && place < last;
  };
  /** Of the rows that are there: it is another on a telephone, and with another size of letters. */
  function measure() {
    const found = above.nextSibling === below ? 0 : above.nextSibling.getBoundingClientRect().height;
    if (found < 1 || Math.abs(found - height) < .5) return;
    height = found;
    soon();
  }
  function soon() {
    if (waits) return;
    waits = true;
    requestAnimationFrame(draw);
  }
  const watch = () => { if (node.isConnected) soon(); };

  return {
    node,
    /** Draws what the list has now. */
    show(list) {
      items = list;
      places.clear();
      items.forEach((item, place) => places.set(key(item), place));
      draw();
    },
    /** Listens until `signal` says that the page is over. */
    follow(signal) {
      addEventListener("scroll", watch, { passive: true, signal });
      addEventListener("resize", watch, { passive: true, signal });
    },
    /** How many rows from the first one the window has reached. */
    seen: () => Math.ceil((innerHeight - body.getBoundingClientRect().top) / height),
    /** Brings a row into the window; gives it. */
    reach(place) {
      const at = body.getBoundingClientRect().top + place * height;
      const bar = document.querySelector(".bar")?.getBoundingClientRect().bottom || 0, room = 80;
      if (at < bar) scrollBy(0, at - bar - height);
      else if (at + height > innerHeight - room) scrollBy(0, at + 2 * height - innerHeight + room);
      draw();
      return drawn.get(key(items[place]))?.node;
    },
  };
}
