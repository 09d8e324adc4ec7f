// What changed between two texts, line by line: the longest common subsequence, by hand.

import { h } from "./dom.js";
import { t } from "./words.js";

const linesMax = 1_500, around = 3;

/** `[[mark, line]]` with `+`, `-` or a space; null for texts that are too long to compare. */
export function compare(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  if (a.length > linesMax || b.length > linesMax) return null;
  const width = b.length + 1, longest = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] = a[i] === b[j] ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const out = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push([" ", a[i]]); i += 1; j += 1; }
    else if (j >= b.length || (i < a.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      out.push(["-", a[i]]);
      i += 1;
    } else { out.push(["+", b[j]]); j += 1; }
  }
  return out;
}
/** Only what changed, with some lines around it. */
export function diffView(before, after) {
  const lines = compare(before, after);
  if (!lines) return h("p", { class: "note" }, t("diff.long"));
  if (lines.every(([mark]) => mark === " ")) return h("p", { class: "none" }, t("diff.same"));
  const near = (at) => lines.slice(Math.max(0, at - around), at + around + 1).some(([mark]) => mark !== " ");
  let isGap = false;
  return h("div", { class: "diff scroll", tabindex: "0", role: "group", "aria-label": t("diff") },
    lines.map(([mark, text], at) => {
      if (!near(at)) {
        const said = isGap;
        isGap = true;
        return said ? null : h("div", { class: "gap" }, "⋯");
      }
      isGap = false;
      const kind = { "+": "ins", "-": "del" }[mark];
      return h(kind || "div", {}, h("span", { class: "sign" }, mark), text || " ");
    }));
}
