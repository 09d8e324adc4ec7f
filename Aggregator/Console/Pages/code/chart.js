// Sums over time, stacked; drawn by hand as SVG, read by keys and as a table.

import { h, s, fill } from "./dom.js";
import { button, table } from "./parts.js";
import { clock, moment, t } from "./words.js";

const box = { height: 240, left: 64, right: 8, top: 8, bottom: 26 };

/** - `layers`: `[{ name, values }]` from the bottom up, `step` in ms; `before`: a line to compare with.
    - `show`: a value in words, `scale`: what makes it the number that those words have. */
export function stacked(title, { from, step, layers, before, beforeName = t("chart.before"), show, scale = 1 }) {
  const count = Math.max(1, ...layers.map((layer) => layer.values.length));
  const sums = Array.from({ length: count }, (_, i) => layers.reduce((sum, layer) => sum + (layer.values[i] || 0), 0));
  const most = niceMost(Math.max(1, ...sums, ...(before || [])) * scale) / scale;
  const reading = h("p", { class: "reading", "aria-live": "polite" });
  const holder = h("div", { class: "chart" });
  const keys = h("ul", { class: "keys" },
    layers.map((layer, i) => h("li", {}, h("i", { class: colour(i, layer) }), layer.name)),
    before && h("li", {}, h("i", { class: "before" }), beforeName));
  const values = h("div", {});
  const node = h(
    "figure", { class: "stack" }, holder, reading, h("div", { class: "under" }, keys, tableToggle()), values
  );
  let width = 0, at = -1;

  const day = step * count > 36 * 3_600_000;
  const x = (i) => box.left + (i / count) * (width - box.left - box.right);
  const y = (value) => box.top + (1 - value / most) * (box.height - box.top - box.bottom);

  function draw() {
    const bases = new Array(count).fill(0);
    const areas = layers.map((layer, index) => {
      const upper = [], lower = [];
      for (let i = 0; i < count; i += 1) {
        lower.push([x(i), y(bases[i])], [x(i + 1), y(bases[i])]);
        bases[i] += layer.values[i] || 0;
        upper.push([x(i), y(bases[i])], [x(i + 1), y(bases[i])]);
      }
      return s("path", { class: colour(index, layer), d: path([...upper, ...lower.reverse()]) + "Z" });
    });
    const line = before && s(
      "path", { class: "before", d: path(before.slice(0, count).map((v, i) => [x(i + .5), y(v)])) }
    );
    fill(holder, s("svg", {
      role: "img", tabindex: "0", "aria-label": `${title}. ${t("chart.keys")}`, viewBox: `0 0 ${width} ${box.height}`,
      onpointermove: (event) => point(event), onpointerleave: () => mark(-1), onkeydown: (event) => press(event),
    }, grid(), areas, line, s(
      "line", { class: "cursor", y1: box.top, y2: box.height - box.bottom, visibility: "hidden" }
    )));
  }
  function grid() {
    const levels = [0, .5, 1].map((part) => [
      s("line", { class: "rule", x1: box.left, x2: width - box.right, y1: y(most * part), y2: y(most * part) }),
      s("text", { x: box.left - 8, y: y(most * part) + 4, "text-anchor": "end" }, show(most * part)),
    ]);
    const every = Math.ceil((count * (day ? 150 : 100)) / Math.max(1, width - box.left));
    const places = Array.from({ length: Math.ceil(count / every) }, (_, i) => i * every);
    const times = places.map(
      (i) => s(
        "text", { x: x(i), y: box.height - 8, "text-anchor": i === 0 ? "start" : "middle" }, clock(from + i * step, day)
      )
    )
      .filter((_, i) => i === 0 || x(places[i]) < width - (day ? 60 : 36));
    return [levels, times];
  }
  function point(event) {
    const rect = holder.getBoundingClientRect();
    mark(Math.floor(((event.clientX - rect.left - box.left) / (width - box.left - box.right)) * count));
  }
  function press(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    mark(Math.min(count - 1, Math.max(0, at + move)));
  }
  function mark(place) {
    const cursor = holder.querySelector(".cursor");
    at = place >= 0 && place < count ? place : -1;
    cursor?.setAttribute("visibility", at < 0 ? "hidden" : "visible");
    if (at < 0) return void fill(reading);
    for (const name of ["x1", "x2"]) cursor.setAttribute(name, x(at + .5));
    const parts = layers.filter((layer) => layer.values[at]).map((layer) => `${layer.name} ${show(layer.values[at])}`);
    fill(reading, `${moment(from + at * step)}: ${show(sums[at])}${parts.length > 1 ? ` (${parts.join(", ")})` : ""}`);
  }
  function tableToggle() {
    const toggle = button(t("chart.table"), () => {
      const isOpen = values.childElementCount > 0;
      toggle.setAttribute("aria-expanded", String(!isOpen));
      fill(values, isOpen ? null : asTable());
    }, { "aria-expanded": "false", class: "plain" });
    return toggle;
  }
  function asTable() {
    const rows = sums.map((sum, i) => i).filter((i) => sums[i] > 0 || before?.[i] > 0);
    const columns = [{ title: t("time"), cell: (i) => moment(from + i * step) },
      ...layers.map((layer) => ({ title: layer.name, kind: "figure", cell: (i) => show(layer.values[i] || 0) })),
      ...(before ? [{ title: beforeName, kind: "figure", cell: (i) => show(before[i] || 0) }] : [])];
    return table(title, columns, rows);
  }
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now < 1 || now === width) return;
    width = now;
    draw();
  }).observe(holder);
  return node;
}

const colour = (index, layer) => (layer.isRest ? "f0" : `f${(index % 8) + 1}`);
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
/** The next of 1, 2, 2.5, 5 times a power of ten. */
function niceMost(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= value);
}
