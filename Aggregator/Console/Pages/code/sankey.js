// What flows from one dimension through the next, as bands: the largest combinations, by hand as SVG.

import { h, s } from "./dom.js";

const nodeWidth = 10, gap = 6, tall = 220, line = 17, head = 24;

/** - `paths`: `[{ keys: [name of each column], amount }]`; `titles`: of the columns; `show`: an amount in words.
    - `go(column, key)`: where a name leads, or null. */
export function sankey(title, { paths, titles, show, name, go }) {
  // Two columns fit a telephone; three are scrolled.
  const isNarrow = innerWidth < 480 && titles.length === 2;
  const [width, room, letters] = isNarrow ? [350, 112, 16] : [720, 150, 22];
  const total = paths.reduce((all, one) => all + one.amount, 0) || 1;
  const columns = titles.map((_, c) => {
    const sums = new Map();
    for (const one of paths) sums.set(one.keys[c], (sums.get(one.keys[c]) || 0) + one.amount);
    return [...sums].sort((a, b) => b[1] - a[1]).map(([key, amount]) => ({ key, amount, out: 0, in: 0 }));
  });
  // A name needs a line of its own, however little went through it.
  const scale = tall / total;
  let height = 0;
  for (const nodes of columns) {
    let y = head;
    for (const one of nodes) {
      Object.assign(one, { y, height: Math.max(2, one.amount * scale) });
      y += Math.max(line, one.height + gap);
    }
    height = Math.max(height, y);
  }
  const x = (c) => room + (c / Math.max(1, titles.length - 1)) * (width - 2 * room - nodeWidth);
  const node = (c, key) => columns[c].find((one) => one.key === key);
  const bands = [];
  for (let c = 0; c + 1 < titles.length; c += 1) {
    const pairs = new Map();
    for (const one of paths) {
      const key = JSON.stringify([one.keys[c], one.keys[c + 1]]);
      pairs.set(key, (pairs.get(key) || 0) + one.amount);
    }
    const ordered = [...pairs].map(([key, amount]) => [...JSON.parse(key), amount]).sort((a, b) =>
      node(c, a[0]).y - node(c, b[0]).y || node(c + 1, a[1]).y - node(c + 1, b[1]).y);
    for (const [from, to, amount] of ordered) {
      const a = node(c, from), b = node(c + 1, to), thick = Math.max(1, amount * scale);
      const [y0, y1] = [a.y + a.out + thick / 2, b.y + b.in + thick / 2], [x0, x1] = [x(c) + nodeWidth, x(c + 1)];
      a.out += thick;
      b.in += thick;
      bands.push(s("path", { class: `band b${(columns[c].indexOf(a) % 8) + 1}`,
        "stroke-width": thick.toFixed(1), d: `M${x0} ${y0}C${(x0 + x1) / 2} ${y0} ${(x0 + x1) / 2} ${y1} ${x1} ${y1}` },
      s("title", {}, `${name(c, from)} → ${name(c + 1, to)}: ${show(amount)}`)));
    }
  }
  const labels = columns.map((nodes, c) => [
    s("text", { class: "over", x: c === titles.length - 1 ? x(c) + nodeWidth : x(c), y: 12,
      "text-anchor": c === 0 ? "start" : c === titles.length - 1 ? "end" : "middle" }, titles[c]),
    nodes.map((one) => {
      const isLeft = c === 0, isLast = c === titles.length - 1;
      const text = s("text", { x: isLeft ? x(c) - 8 : x(c) + nodeWidth + 8, y: one.y + one.height / 2 + 4,
        "text-anchor": isLeft ? "end" : "start", class: isLeft || isLast ? null : "inner" }, cut(name(c, one.key), letters));
      const address = go(c, one.key);
      return [s("rect", { class: "knot", x: x(c), y: one.y, width: nodeWidth, height: one.height, rx: 2 },
        s("title", {}, `${name(c, one.key)}: ${show(one.amount)}`)), address ? s("a", { href: address }, text) : text];
    })]);
  const kind = isNarrow ? "drawing narrow scroll" : "drawing scroll";
  return h("div", { class: kind, tabindex: "0", role: "group", "aria-label": title },
    s("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": title }, bands, labels));
}
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
