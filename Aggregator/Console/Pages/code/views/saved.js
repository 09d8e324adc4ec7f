// Filters that somebody keeps by a name. In this browser: the API has no place for them.

import { h } from "../dom.js";
import { button, dialog, field, form } from "../parts.js";
import { change, here } from "../place.js";
import { keep, kept, t } from "../words.js";

/** - `place`: where they are kept, `names`: the parameters of the address that make one. */
export function saved(place, names, { clears = true } = {}) {
  const all = () => {
    try { return Object.entries(JSON.parse(kept(place) || "{}")); } catch { return []; }
  };
  const store = (entries) => {
    keep(place, JSON.stringify(Object.fromEntries(entries)));
    dispatchEvent(new Event("hashchange"));
  };
  const clear = Object.fromEntries(names.map((name) => [name, null]));
  const one = ([name, values]) => h("span", { class: "saved" }, button(name, () => change({ ...clear, ...values })),
    button("×", () => store(all().filter(([other]) => other !== name)),
      { "aria-label": t("filter.drop", { name }), class: "plain" }));
  function ask() {
    const now = here().query, values = Object.fromEntries(
      names.map((name) => [name, now.get(name)]).filter(([, value]) => value));
    const node = dialog(t("filter.keep"), h("p", { class: "quiet small" }, t("filter.kept.here")),
      form([field(t("name"), h("input", { name: "name", required: true, maxlength: "40" }))], t("save"),
        async ({ name }) => {
          node.close();
          store([...all(), [name, values]]);
        }));
  }
  return h("div", { class: "row" }, all().map(one), button(t("filter.keep"), ask),
    clears && button(t("filter.clear"), () => change(clear)));
}
