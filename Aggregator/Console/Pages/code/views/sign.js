// What people see before they are in: signing in, the first operator's set-up, an invitation, a new password.
// Tokens come in the address after `?token=` in the fragment, which no server is sent.

import { ask } from "../api.js";
import { h } from "../dom.js";
import { field, form } from "../parts.js";
import { here } from "../place.js";
import { keep, kept, t } from "../words.js";

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
    }), elsewhere(), links("join", "forgot", "reset")];
}
/** At a tenant's own provider, by the name that its people know. Whether there is one of that name is asked first, so
    that nobody is sent to a page of an error. */
function elsewhere() {
  const given = here().query.get("at") || kept("weir.provider") || "";
  const name = h("input", { name: "provider", required: true, value: given, autocomplete: "off", autocapitalize: "off",
    spellcheck: "false", maxlength: "64", pattern: "[A-Za-z0-9_.\\-]+" });
  return h("details", { class: "elsewhere", open: given !== "" }, h("summary", {}, t("sign.provider")),
    form([field(t("sign.provider.name"), name, t("sign.provider.hint"))], t("sign.provider.go"), async ({ provider }) => {
      const path = `/v1/signon/${encodeURIComponent(provider.trim())}`;
      const answer = await fetch(path, { redirect: "manual", cache: "no-store" });
      if (answer.type !== "opaqueredirect") {
        throw Object.assign(new Error(t(answer.status === 404 ? "sign.provider.none" : "sign.provider.later")),
          { status: answer.status });
      }
      keep("weir.provider", provider.trim());
      location.assign(path);
    }, { kind: "" }));
}
function setUp() {
  return joinPage(t("sign.setup"), t("sign.setup.text"), "/v1/setup",
    [token(), email(), name(true), password("password", "new-password", t("password"), t("password.hint"))], nextSteps());
}
/** What comes after the first operator, up to the first screen with something on it. */
function nextSteps() {
  const step = (text, command) => h("li", {}, h("p", { class: "small" }, text),
    command && h("div", { class: "command" }, h("pre", { class: "scroll", tabindex: "0", "aria-label": text }, command)));
  return h("section", { class: "stack", "aria-label": t("steps") }, h("h2", {}, t("steps")), h("ol", { class: "steps" },
    step(t("steps.tenant"), "weir-aggregator tenants create NAME --config aggregator.yaml"),
    step(t("steps.owner"), "weir-aggregator people invite ADDRESS --tenant NAME --role owner --config aggregator.yaml"),
    step(t("steps.sensor"))));
}
function join() {
  const own = h("input", { name: "password", type: "password", autocomplete: "new-password" });
  return joinPage(t("sign.join"), t("sign.join.text"), "/v1/invitations/accept",
    [token(), name(false), field(t("password"), own, t("password.hint"))]);
}
const name = (required) => field(
  t("name"), h("input", { name: "name", required, autocomplete: "name", maxlength: "100" })
);

function joinPage(title, text, path, fields, more) {
  const node = h(
    "div", { class: "stack" }, h("h1", {}, title), h("p", { class: "quiet" }, text), form(fields, title,
    async (values) => {
    const body = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
    await ask("POST", path, { body });
    node.replaceChildren(...[h("h1", {}, title), done(t("sign.ready")), more, links("sign-in")].filter(Boolean));
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
