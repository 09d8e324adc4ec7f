// Names of networks that filters use as `@name`: listed, made, changed, forgotten.

import { ask, get, part } from "../api.js";
import { h } from "../dom.js";
import { exploring } from "../flows.js";
import { button, confirm, dialog, field, form, none, panel, table, toast } from "../parts.js";
import { t } from "../words.js";

export function networks(signal, span = "") {
  const list = panel(t("networks.named"), () => get("/v1/networks", {}, signal), ({ items }) => (items.length
    ? table(t("networks.named"), [
      { title: t("name"), kind: "fit", cell: (one) => h("a", { class: "mono", href: exploring(`net @${one.name}`) },
        `@${one.name}`) },
      { title: t("networks"), cell: (one) => h("span", { class: "mono small" }, one.networks.join(" ")) },
      { title: t("act"), hidden: true, kind: "fit", cell: (one) => h("span", { class: "row" },
        button(t("edit"), () => write(one)), button(t("remove"), () => confirm(t("remove"),
          t("networks.forget", { name: one.name }), async () => {
            await ask("DELETE", `/v1/networks/${part(one.name)}`);
            await list.refresh();
          }))) },
    ], items) : none(t("networks.none"))), { span, actions: [button(t("networks.make"), () => write())] });
  function write(one) {
    const node = dialog(t("networks.make"), form([
      field(t("name"), h("input", { name: "name", required: true, value: one?.name, readonly: Boolean(one), maxlength: "64",
        autocomplete: "off", autocapitalize: "off", spellcheck: "false" })),
      field(t("networks"), h("textarea", { name: "networks", required: true, class: "mono", spellcheck: "false" },
        one?.networks.join("\n")), t("networks.hint"))], t("save"), async (values) => {
      const all = values.networks.split(/[\s,;]+/).filter(Boolean);
      await ask("PUT", `/v1/networks/${part(values.name.trim().replace(/^@/, ""))}`, { body: { networks: all } });
      node.close();
      toast(t("saved"));
      await list.refresh();
    }));
  }
  return list;
}
