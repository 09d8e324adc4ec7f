// Who may do what, beside people: a tenant's own roles, and the accounts of programs.

import { ask, get, part } from "../api.js";
import { h } from "../dom.js";
import { badge, button, choice, confirm, dialog, failed, field, form, none, panel, table, toast } from "../parts.js";
import { t, word } from "../words.js";

/** - `changed`: told after each change. */
export function roles(signal, changed) {
  const list = panel(t("roles"), () => get("/v1/roles", {}, signal), ({ items }) => table(t("roles"), [
    { title: t("name"), kind: "fit", cell: (one) => [word("role", one.name), one.isOwn && [" ", badge(t("own"), "good")]] },
    { title: t("scopes"), cell: (one) => h("span", { class: "small" }, one.scopes.join(", ")) },
    { title: t("act"), hidden: true, kind: "fit", cell: (one) => one.isOwn && h("span", { class: "row" },
      button(t("edit"), () => write(items, one)), button(t("remove"), () => confirm(t("remove"),
        t("role.remove", { name: one.name }), async () => {
          await ask("DELETE", `/v1/roles/${part(one.name)}`);
          await changed();
        }))) },
  ], items), { actions: [button(t("role.make"), async () => {
    try { write((await get("/v1/roles")).items); } catch (error) { failed(error); }
  })] });
  function write(items, one) {
    const all = [...new Set(items.flatMap(({ scopes }) => scopes))].sort();
    const boxes = all.map((scope) => h("label", { class: "row check" }, h("input", { type: "checkbox", name: scope,
      checked: one?.scopes.includes(scope) }), h("code", {}, scope)));
    const node = dialog(t("role.make"), form([
      field(t("name"), h("input", { name: "name", required: true, value: one?.name, readonly: Boolean(one), maxlength: "40",
        pattern: "[a-z0-9\\-]+", autocapitalize: "off" }), t("role.name.hint")),
      h("fieldset", { class: "boxes" }, h("legend", {}, t("scopes")), boxes)], t("save"), async (values) => {
      const scopes = all.filter((scope) => scope in values);
      await ask("PUT", `/v1/roles/${part(values.name.trim())}`, { body: { scopes } });
      node.close();
      toast(t("saved"));
      await changed();
    }));
  }
  return list;
}

/** - `names`: of the roles that there are; `makeKey`: for an account. */
export function accounts(signal, names, changed, makeKey) {
  const reach = (one) => [...(one.sites || []), ...(one.exporters || [])].join(", ") || t("everything");
  const list = panel(t("accounts"), () => get("/v1/accounts", {}, signal), ({ items }) => (items.length
    ? table(t("accounts"), [
      { title: t("name"), cell: (one) => [one.name, h("div", { class: "small quiet mono" }, one.id)] },
      { title: t("role"), kind: "fit", cell: (one) => word("role", one.role) }, { title: t("reach"), cell: reach },
      { title: t("state"), kind: "fit", cell: (one) => (one.isDisabled ? badge(t("disabled"), "medium")
        : badge(t("active"), "good")) },
      { title: t("act"), hidden: true, kind: "fit", cell: (one) => !one.isDisabled && h("span", { class: "row" },
        button(t("key.make"), () => makeKey(one)), button(t("disable"), () => confirm(t("disable"),
          t("account.disable", { name: one.name }), async () => {
            await ask("DELETE", `/v1/accounts/${part(one.id)}`);
            await changed();
          }))) },
    ], items) : none(t("accounts.none"))), { actions: [button(t("account.make"), make)] });
  async function make() {
    const options = (await names()).map((name) => [name, word("role", name)]);
    const node = dialog(t("account.make"), form([
      field(t("name"), h("input", { name: "name", required: true, maxlength: "100" })),
      field(t("role"), choice(options, "viewer", null, { name: "role" })),
      field(t("sites"), h("input", { name: "sites" }), t("sites.hint"))], t("account.make"), async ({ name, role, sites }) => {
      const own = sites.split(/[\s,]+/).filter(Boolean);
      await ask("POST", "/v1/accounts", { body: { name, role, ...(own.length && { sites: own }) } });
      node.close();
      toast(t("saved"));
      await changed();
    }));
  }
  return list;
}
