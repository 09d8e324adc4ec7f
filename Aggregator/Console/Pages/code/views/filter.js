// The filter's line: words of the language offered while one writes, and what is wrong underlined where it is.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { button } from "../parts.js";
import { t } from "../words.js";

const language = [
  "src", "dst", "ip", "net", "port", "proto", "tcp", "udp", "icmp", "and", "or", "not", "in", "any", "country", "as",
  "bytes", "packets", "flows",
  "duration", "bps", "pps", "flags", "exporter", "site", "sensor", "if", "vlan", "dscp", "tos", "next hop", "ipv4",
    "ipv6", "sampled", "denied", "via", "has", "icmp-type", "fidelity", "start", "end"];

export function filterInput(text, apply) {
  const id = "filter-choices", choices = h(
    "ul", { class: "choices", id, role: "listbox", "aria-label": t("filter.words"), hidden: true }
  );
  const input = h(
    "input", { value: text, "aria-label": t("filter"), placeholder: "dst port 443 and src net 10.0.0.0/8",
    autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    role: "combobox", "aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list", oninput: offer,
      onkeydown: press, onblur: () => setTimeout(close, 150) });
  const wrong = h("div", { role: "alert", id: "filter-problem" });
  const node = h(
    "form", { class: "stack", onsubmit: (event) => { event.preventDefault(); close(); apply(input.value.trim()); } },
    h(
      "div", { class: "row" }, h("div", { class: "filter grow" }, input, choices),
      h("button", { type: "submit", class: "main" }, t("ask")),
      button(t("filter.clear"), () => apply(""))), wrong);
  let offered = [], at = -1, names = null;

  const before = () => /[@\w-]*$/.exec(input.value.slice(0, input.selectionStart ?? input.value.length))[0];
  async function offer() {
    clear();
    const start = before();
    if (start.startsWith("@") && names === null) names = await get("/v1/networks").then(
      ({ items }) => items.map(({ name }) => `@${name}`), () => []
    );
    offered = start ? [...language, ...(names || [])].filter(
      (word) => word.startsWith(start) && word !== start
    ).slice(0, 8) : [];
    at = -1;
    draw();
  }
  function draw() {
    choices.hidden = offered.length === 0;
    input.setAttribute("aria-expanded", String(!choices.hidden));
    if (at < 0) input.removeAttribute("aria-activedescendant"); else input.setAttribute(
      "aria-activedescendant", `choice-${at}`
    );
    fill(
      choices,
      offered.map(
        (word, i) => h(
          "li",
          {
            id: `choice-${i}`, role: "option", "aria-selected": String(i === at),
            onpointerdown: (event) => { event.preventDefault(); take(word); }
          },
          word
        )
      )
    );
  }
  function take(word) {
    const end = input.selectionStart ?? input.value.length, start = end - before().length;
    input.value = `${input.value.slice(0, start)}${word} ${input.value.slice(end)}`;
    input.setSelectionRange(start + word.length + 1, start + word.length + 1);
    close();
    input.focus();
  }
  function close() { offered = []; at = -1; draw(); }
  function press(event) {
    if (choices.hidden) return;
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move) {
      at = (at + move + offered.length + (at < 0 && move < 0 ? 1 : 0)) % offered.length;
      draw();
      event.preventDefault();
    }
    if (event.key === "Escape") { close(); event.preventDefault(); }
    if ((event.key === "Enter" || event.key === "Tab") && at >= 0) { take(offered[at]); event.preventDefault(); }
  }
  function clear() { fill(wrong); input.removeAttribute("aria-invalid"); input.removeAttribute("aria-describedby"); }
  /** - `problem`: of the API: line and column from 1, a length, what is wrong and perhaps a better word. */
  function refuse(problem) {
    const start = Math.max(
      0, (problem.column || 1) - 1
    ), length = Math.max(1, problem.length || 1), value = input.value;
    const cut = problem.line > 1 ? value.length : start, marked = value.slice(cut, cut + length) || " ";
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", wrong.id);
    fill(
      wrong,
      h(
        "p", { class: "squiggle", "aria-hidden": "true" }, value.slice(0, cut), h("mark", {}, marked),
        value.slice(cut + length)
      ),
      h(
        "p", { class: "problem row" }, String(problem.detail || "").split("\n").pop(),
        problem.suggestion && button(t("filter.suggestion", { text: problem.suggestion }), () => {
        input.value = value.slice(0, cut) + problem.suggestion + value.slice(cut + length);
        apply(input.value.trim());
      })));
  }
  return { node, refuse };
}
