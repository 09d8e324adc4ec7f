// Who spoke to whom: those who spoke at the left, those they spoke to at the right, lines as wide as what went between.
// The table beside it says the same.

import { h, s } from "./dom.js";

const shownMax = 14, row = 24, top = 4;
const wide = { width: 480, left: 132, right: 348, letters: 18 };
const narrow = { width: 330, left: 112, right: 218, letters: 16 };

/** - `pairs`: `[{ from, to, amount, text, kind }]`; `mark(name)`: a class for a name; `go(name)`: where it leads.
    - `more(n)`: the words for those that found no room. */
export function whoToWhom(title, pairs, { mark, go, more }) {
  const { width, left, right, letters } = innerWidth < 480 ? narrow : wide;
  const sides = ["from", "to"].map((side) => {
    const sums = new Map();
    for (const one of pairs) sums.set(one[side], (sums.get(one[side]) || 0) + one.amount);
    return [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  });
  const shown = sides.map((names) => names.slice(0, shownMax));
  const rest = sides.map((names) => Math.max(0, names.length - shownMax));
  const most = Math.max(...shown.map((names, i) => names.length + (rest[i] ? 1 : 0)), 1);
  const height = top * 2 + most * row;
  const y = (names, i) => top + row / 2 + ((height - top * 2) / Math.max(1, names)) * (i + .5) - row / 2;
  const count = shown.map((names, i) => names.length + (rest[i] ? 1 : 0));
  const place = (side, name) => {
    const at = shown[side].indexOf(name);
    return y(count[side], at < 0 ? count[side] - 1 : at);
  };
  const largest = Math.max(...pairs.map(({ amount }) => amount), 1);
  const lines = pairs.map((one) => {
    const [a, b] = [place(0, one.from), place(1, one.to)], thick = 1 + 9 * Math.sqrt(one.amount / largest);
    return s("path", { class: `tie ${one.kind || ""}`, "stroke-width": thick.toFixed(1),
      d: `M${left} ${a}C${(left + right) / 2} ${a} ${(left + right) / 2} ${b} ${right} ${b}` },
    s("title", {}, `${one.from} → ${one.to}: ${one.text}`));
  });
  const names = (side) => [...shown[side], ...(rest[side] ? [null] : [])].map((name, i) => {
    const at = y(count[side], i), x = side ? right : left;
    const text = s("text", { x: side ? x + 12 : x - 12, y: at + 4, "text-anchor": side ? "start" : "end" },
      name === null ? more(rest[side]) : cut(name, letters));
    return [s("circle", { class: `end ${name === null ? "" : mark(name)}`, cx: x, cy: at, r: 5 }),
      name === null || !go(name) ? text : s("a", { href: go(name) }, text)];
  });
  return h("div", { class: "drawing narrow scroll", tabindex: "0", role: "group", "aria-label": title },
    s("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": title },
      lines, names(0), names(1)));
}
const cut = (name, most) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);
