// People, roles, keys and the audit log of a tenant. Who may not see a part is told so by that part alone.

import { address, ask, get, part } from "../api.js";
import { h } from "../dom.js";
import {
  badge, button, choice, confirm, dialog, exactly, failed, field, form, none, panel, table, toast, when
} from "../parts.js";
import { moment, number, t, word } from "../words.js";
import { features as featuresPanel, retention as retentionPanel } from "./settings.js";
import { accounts as accountsPanel, roles as rolesPanel } from "./access.js";

export default function administration({ me, signal }) {
  let roles = Promise.resolve(["viewer", "analyst", "admin", "owner"]);
  const askRoles = () => {
    roles = get("/v1/roles", {}, signal).then(
      ({ items }) => items.map(({ name }) => name), () => ["viewer", "analyst", "admin", "owner"]
    );
  };
  const reach = (one) => [...(one.sites || []), ...(one.exporters || [])].join(", ") || t("everything");

  const members = panel(
    t("members"), async () => ({ names: await roles, ...(await get("/v1/members", {}, signal)) }),
    ({ items, names }) => table(t("members"), [
    { title: t("name"), cell: (one) => [one.name, h("div", { class: "small quiet" }, one.email)] },
    {
      title: t("role"), kind: "fit",
      cell: (one) => choice(
        names.map((name) => [name, word("role", name)]), one.role,
        (role) => act(
          () => ask(
            "PUT", `/v1/members/${part(one.id)}`, { body: { role, sites: one.sites, exporters: one.exporters } }
          ),
          members
        ),
        { "aria-label": `${one.name}: ${t("role")}`, disabled: one.id === me.person }
      )
    },
    { title: t("reach"), cell: reach }, { title: t("factor"), kind: "fit",
      cell: (one) => (one.hasFactor ? badge(t("yes"), "good") : badge(t("no"), "low")) }, { title: t("state"),
      kind: "fit", cell: (one) => (one.isDisabled ? badge(t("disabled"), "medium") : badge(t("active"), "good")) },
    { title: t("act"), hidden: true, kind: "fit", cell: (one) => one.id !== me.person && h("span", { class: "row" },
      button(
        t("password.reset"),
        () => confirm(
          t("password.reset"), t("password.reset.text", { name: one.name }),
          async () => showToken(await ask("POST", `/v1/members/${part(one.id)}/reset`), "reset")
        )
      ),
      button(
        t("remove"),
        () => confirm(
          t("remove"), t("member.remove", { name: one.name }),
          () => act(() => ask("DELETE", `/v1/members/${part(one.id)}`), members)
        )
      )) },
  ], items), { actions: [button(t("invite"), invite, { class: "main" })] });
  const invitations = panel(
    t("invitations"), () => get("/v1/invitations", {}, signal), ({ items }) => (items.length ? table(t("invitations"), [
    { title: t("email"), cell: (one) => one.email }, {
      title: t("role"), kind: "fit", cell: (one) => word("role", one.role)
    }, { title: t("reach"), cell: reach }, { title: t("ends"), kind: "fit", cell: (one) => exactly(one.expiresAt) },
    {
      title: t("act"), hidden: true, kind: "fit",
      cell: (one) => button(t("remove"), () => act(() => ask("DELETE", `/v1/invitations/${part(one.id)}`), invitations))
    },
  ], items) : none(t("invitations.none"))));
  const keys = panel(
    t("api.keys"), () => get("/v1/keys", {}, signal), ({ items }) => (items.length ? table(t("api.keys"), [
    { title: t("name"), cell: (one) => [one.name, h("div", { class: "small quiet mono" }, one.id)] }, {
      title: t("state"), kind: "fit",
      cell: (one) => badge(word("key", one.state), one.state === "valid" ? "good" : "low")
    },
    { title: t("scopes"), cell: (one) => h("span", { class: "small" }, one.scopes.join(", ")) }, { title: t("used"),
      kind: "fit", cell: (one) => when(one.usedAt) }, { title: t("ends"), kind: "fit",
      cell: (one) => (one.expiresAt ? exactly(one.expiresAt) : "–") },
    {
      title: t("act"), hidden: true, kind: "fit",
      cell: (one) => one.state === "valid" && button(
        t("revoke"),
        () => confirm(
          t("revoke"), t("key.revoke", { name: one.name }),
          () => act(() => ask("DELETE", `/v1/keys/${part(one.id)}`), keys)
        )
      )
    },
  ], items) : none(t("keys.none"))), { actions: [button(t("key.make"), () => makeKey())] });
  const audit = panel(t("audit"), () => get("/v1/audit", { limit: 50 }, signal), ({ items }) => table(t("audit"), [
    { title: "№", kind: "figure", cell: (one) => number(one.id) }, {
      title: t("time"), kind: "fit", cell: (one) => exactly(one.at)
    }, { title: t("actor"), cell: (one) => one.actor },
    { title: t("event"), cell: (one) => one.kind }, { title: t("subject"), cell: (one) => one.subject }, {
      title: t("detail"), cell: (one) => h("span", { class: "small any" }, plain(one.detail))
    },
  ], items), {
    actions: [
      button(t("audit.verify"), verify),
      h(
        "a", { class: "button", href: address("/v1/audit/export"), download: "audit.ndjson" },
        t("export.as", { format: "NDJSON" })
      )
    ]
  });

  const changed = async () => {
    askRoles();
    await Promise.all([own, accounts, members, keys, ...settings, audit].map((one) => one.refresh()));
  };
  const own = rolesPanel(signal, changed);
  const settings = [featuresPanel(signal, () => changed()), retentionPanel(signal, () => changed())];
  const accounts = accountsPanel(signal, () => roles, changed, (account) => makeKey(account));

  async function act(change, ...shown) {
    try { await change(); toast(t("saved")); } catch (error) { failed(error); }
    await Promise.all([...shown, audit].map((one) => one.refresh()));
  }
  async function invite() {
    const names = await roles, node = dialog(
      t("invite"), form([field(t("email"), h("input", { name: "email", type: "email", required: true })),
      field(t("role"), choice(names.map((name) => [name, word("role", name)]), "viewer", null, { name: "role" })),
      field(
        t("sites"), h("input", { name: "sites" }), t("sites.hint")
      )], t("invite"), async ({ email, role, sites }) => {
      const list = sites.split(/[\s,]+/).filter(Boolean), made = await ask(
        "POST", "/v1/invitations", { body: { email, role, ...(list.length && { sites: list }) } }
      );
      node.close();
      showToken(made, "join");
      await invitations.refresh();
    }));
  }
  function makeKey(account) {
    const node = dialog(
      t("key.make"),
      form(
        [
          account && h("p", { class: "note" }, t("key.for", { name: account.name })),
          field(t("name"), h("input", { name: "name", required: true, maxlength: "100" })),
          field(t("scopes"), h("input", { name: "scopes", value: "flows:read incidents:read" }), t("scopes.hint")),
          field(t("days"), h("input", { name: "days", type: "number", min: "1", max: "3650", value: "90" }))
        ],
      t("key.make"), async ({ name, scopes, days }) => {
      const made = await ask(
        "POST", "/v1/keys", {
          body: {
            name, scopes: scopes.split(/[\s,]+/).filter(Boolean), days: Number(days),
            ...(account && { account: account.id })
          }
        }
      );
      node.close();
      secret(t("key.made"), made.key);
      await keys.refresh();
    }));
  }
  async function verify() {
    try {
      const answer = await get("/v1/audit/verify");
      dialog(
        t("audit.verify"), h("p", {}, answer.isWhole ? t("audit.whole") : t("audit.broken")),
        h("p", { class: "mono small" }, answer.head || answer.fault)
      );
    } catch (error) { failed(error); }
  }
  const panels = [members, invitations, accounts, own, keys, ...settings, audit];
  return {
    title: t("place.administration"),
    nodes: [
      h("div", { class: "head" }, h("h1", {}, t("place.administration"))),
      h("div", { class: "grid" }, panels.map(({ node }) => node))
    ],
    refresh: () => {
      if (document.activeElement?.tagName === "SELECT") return null;
      askRoles();
      return Promise.all(panels.map((one) => one.refresh()));
    } };
}

/** What an event changed: its fields with their names, without those that say nothing to people. */
function plain(detail) {
  try {
    const [fields] = Object.values(JSON.parse(detail));
    return Object.entries(fields).filter(([name, value]) => value !== "" && !["tenant", "sha256", "id"].includes(name))
      .map(([name, value]) => (/Milliseconds$/.test(name) ? `${name.replace(/Milliseconds$/, "")}: ${moment(value)}`
        : `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)).join(", ");
  } catch { return detail; }
}
function showToken(made, page) {
  secret(t("token.once"), `${location.origin}${location.pathname}#/${page}?token=${encodeURIComponent(made.token)}`);
}
/** Shown this once. */
function secret(text, value) {
  dialog(
    text, h("p", { class: "quiet small" }, t("secret.once")),
    h("input", { readonly: true, value, "aria-label": text, class: "mono", onfocus: (event) => event.target.select() })
  );
}
