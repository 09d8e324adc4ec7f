// The own account: language and theme, password, authenticator, where else one is signed in.

import { ask, get, part } from "../api.js";
import { fill, h } from "../dom.js";
import { badge, button, exactly, failed, field, form, panel, table, toast, when } from "../parts.js";
import { canNotify, keepLast, keepsLast, notifies, notify } from "../device.js";
import { languageChoice, leave, themeChoice } from "../start.js";
import { t } from "../words.js";

export default function account({ me, signal }) {
  const sessions = panel(t("sessions"), () => get("/v1/sessions", {}, signal), ({ items }) => table(t("sessions"), [
    {
      title: t("address"), kind: "fit", cell: (one) => [one.address, one.current && [" ", badge(t("this.one"), "good")]]
    }, { title: t("program"), cell: (one) => h("span", { class: "small" }, one.agent) },
    {
      title: t("began"), kind: "fit", cell: (one) => exactly(one.createdAt)
    }, { title: t("last.seen"), kind: "fit", cell: (one) => when(one.seenAt) },
    {
      title: t("act"), hidden: true, kind: "fit",
      cell: (one) => !one.current && button(
        t("end"),
        async () => { await ask("DELETE", `/v1/sessions/${part(one.id)}`).catch(failed); await sessions.refresh(); }
      )
    },
  ], items));
  const about = h(
    "section", { class: "panel half", "aria-label": t("place.account") },
    h("header", {}, h("h2", {}, me.name), button(t("sign.out"), leave)), h("p", { class: "quiet" }, me.email),
    field(t("language"), languageChoice()), field(t("theme"), themeChoice()));
  const input = (name, kind) => h(
    "input",
    { name, type: "password", required: true, autocomplete: kind, minlength: kind === "new-password" ? "15" : null }
  );
  const password = h(
    "section", { class: "panel half", "aria-label": t("password.change") }, h("h2", {}, t("password.change")),
    form(
      [
        field(t("password.old"), input("password", "current-password")),
        field(t("password.new"), input("newPassword", "new-password"), t("password.hint"))
      ],
      t("save"), async (body, node) => {
      await ask("PUT", "/v1/session/password", { body });
      node.reset();
      toast(t("saved"));
    }));
  return {
    title: t("place.account"),
    nodes: [
      h("div", { class: "head" }, h("h1", {}, t("place.account"))),
      h("div", { class: "grid" }, about, password, factor(), device(), sessions.node)
    ],
    refresh: sessions.refresh
  };
}
/** What this device keeps and says: nothing, unless somebody wants it. */
function device() {
  const box = (text, hint, isOn, act, more = {}) => {
    const input = h("input", { type: "checkbox", checked: isOn, ...more, onchange: async (event) => {
      await act(event.target.checked);
      toast(t("saved"));
    } });
    return h("label", { class: "row check" }, input, h("span", {}, text, h("span", { class: "quiet block" }, hint)));
  };
  return h("section", { class: "panel half", "aria-label": t("device") }, h("h2", {}, t("device")),
    box(t("device.keep"), t("device.keep.hint"), keepsLast(), keepLast),
    box(t("device.notify"), t("device.notify.hint"), notifies(), notify, { disabled: !canNotify() }));
}
/** An authenticator: its secret, then a first code of it, then the recovery codes, this once. */
function factor() {
  const place = h("div", { class: "stack" });
  const code = () => field(
    t("code"), h("input", { name: "code", required: true, inputmode: "numeric", autocomplete: "one-time-code" })
  );
  const begin = () => fill(
    place, h("p", { class: "quiet small" }, t("factor.text")),
    h("div", { class: "row" }, button(t("factor.add"), add, { class: "main" }), button(t("factor.remove"), remove))
  );
  async function add() {
    try {
      const { address } = await ask(
        "POST", "/v1/session/factor"
      ), secret = new URL(address).searchParams.get("secret") || "";
      fill(
        place, h("p", { class: "small" }, t("factor.enter")),
        h(
          "input",
          {
            readonly: true, class: "mono", value: secret.replace(/(.{4})/g, "$1 ").trim(),
            "aria-label": t("factor.secret")
          }
        ),
        form([code()], t("factor.confirm"), async (body) => {
        const { recoveryCodes } = await ask("PUT", "/v1/session/factor", { body: { code: body.code.trim() } });
        fill(
          place, h("p", { class: "note" }, t("factor.codes")),
          h("ul", { class: "mono small" }, recoveryCodes.map((one) => h("li", {}, one))), button(t("close"), begin)
        );
      }, { extra: [button(t("cancel"), begin)] }));
    } catch (error) { failed(error); }
  }
  function remove() {
    fill(place, form([code()], t("factor.remove"), async (body) => {
      await ask("POST", "/v1/session/factor/remove", { body: { code: body.code.trim() } });
      toast(t("saved"));
      begin();
    }, { extra: [button(t("cancel"), begin)] }));
  }
  begin();
  return h("section", { class: "panel half", "aria-label": t("factor") }, h("h2", {}, t("factor")), place);
}
