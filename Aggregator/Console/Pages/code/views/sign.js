// What people see before they are in: signing in, the first operator's set-up, an invitation, a new password.
// Tokens come in the address after `?token=` in the fragment, which no server is sent.

import { ask } from "../api.js";
import { h } from "../dom.js";
import { field, form } from "../parts.js";
import { here } from "../place.js";
import { t } from "../words.js";

const email = () => field(
  t("email"), h("input", { name: "email", type: "email", required: true, autocomplete: "username" })
);
const password = (name, kind, text = t("password"), hint) => field(text,
  h(
    "input",
    { name, type: "password", required: true, autocomplete: kind, minlength: kind === "new-password" ? "15" : null }
  ), hint);
const token = () => field(
  t("token"),
  h("input", { name: "token", required: true, autocomplete: "off", value: here().query.get("token") || "" }),
  t("token.hint")
);
const links = (...names) => h(
  "p", { class: "row small" }, names.map((name) => h("a", { href: `#/${name}` }, t(`sign.${name}`)))
);
const done = (text) => h("div", { class: "note", role: "status" }, text);

function signIn({ entered }) {
  const code = h("div", { hidden: true }, field(t("code"),
    h("input", { name: "code", inputmode: "numeric", autocomplete: "one-time-code" }), t("code.hint")));
  return [h("h1", {}, t("sign.in")), form([email(), password("password", "current-password"), code], t("sign.in"),
    async (values, node) => {
      try {
        const body = { email: values.email, password: values.password };
        if (!code.hidden) body.code = values.code.trim();
        await ask("POST", "/v1/session", { body });
      } catch (error) {
        if (error.kind === "code-needed" && code.hidden) {
          code.hidden = false;
          return void code.querySelector("input").focus();
        }
        if (error.kind === "sign-in-failed") error.message = t("sign.failed");
        if (error.status === 429) error.message = t("sign.later", { n: Number(error.retryAfter) || 30 });
        throw error;
      }
      await entered();
    }), links("join", "forgot", "reset")];
}
function setUp() {
  return joinPage(t("sign.setup"), t("sign.setup.text"), "/v1/setup",
    [token(), email(), name(true), password("password", "new-password", t("password"), t("password.hint"))]);
}
function join() {
  const own = h("input", { name: "password", type: "password", autocomplete: "new-password" });
  return joinPage(t("sign.join"), t("sign.join.text"), "/v1/invitations/accept",
    [token(), name(false), field(t("password"), own, t("password.hint"))]);
}
const name = (required) => field(
  t("name"), h("input", { name: "name", required, autocomplete: "name", maxlength: "100" })
);

function joinPage(title, text, path, fields) {
  const node = h(
    "div", { class: "stack" }, h("h1", {}, title), h("p", { class: "quiet" }, text), form(fields, title,
    async (values) => {
    const body = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
    await ask("POST", path, { body });
    node.replaceChildren(h("h1", {}, title), done(t("sign.ready")), links("sign-in"));
  }), links("sign-in"));
  return node;
}
function forgot() {
  const node = h("div", { class: "stack" }, h("h1", {}, t("sign.forgot")), form([email()], t("send"), async (body) => {
    await ask("POST", "/v1/password/forgot", { body });
    node.replaceChildren(h("h1", {}, t("sign.forgot")), done(t("sign.sent")), links("reset", "sign-in"));
  }), links("sign-in"));
  return node;
}
function reset() {
  return joinPage(t("sign.reset"), t("sign.reset.text"), "/v1/password/reset",
    [token(), password("password", "new-password", t("password.new"), t("password.hint"))]);
}

export const signPages = { "/sign-in": signIn, "/setup": setUp, "/join": join, "/forgot": forgot, "/reset": reset };
