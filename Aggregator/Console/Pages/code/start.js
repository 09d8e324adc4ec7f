// The frame around every page: who is signed in, the places, the time that all pages share, and what is told of both.

import { ask, get, session } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { hush, isLive as isStreaming, listen, live as stream } from "./live.js";
import { button, choice, failed, failure, field, form, dialog, toast } from "./parts.js";
import { change, here, link, period, ranges } from "./place.js";
import { keep, kept, languages, speak, spoken, t, usual } from "./words.js";
import { forgetLast, lastIncidents, notice } from "./device.js";
import { signPages } from "./views/sign.js";

const pages = [
  [/^\/overview$/, "overview", () => import("./views/overview.js")],
  [/^\/incidents$/, "incidents", () => import("./views/incidents.js")],
  [/^\/incidents\/([^/]+)$/, "incidents", () => import("./views/incident.js")],
  [/^\/explore$/, "explore", () => import("./views/explore.js")],
  [/^\/map$/, "map", () => import("./views/map.js")],
  [/^\/sensors$/, "sensors", () => import("./views/sensors.js")],
  [/^\/sensors\/add$/, "sensors", () => import("./views/enrol.js")],
  [/^\/sensors\/([^/]+)$/, "sensors", () => import("./views/sensor.js")],
  [/^\/rules$/, "rules", () => import("./views/rules.js")],
  [/^\/rules\/sigma\/([^/]+)$/, "rules", () => import("./views/rule.js")],
  [/^\/rules\/detector\/([^/]+)$/, "rules", () => import("./views/detector.js")],
  [/^\/intelligence$/, "intelligence", () => import("./views/intelligence.js")],
  [/^\/reports$/, "reports", () => import("./views/report.js")],
  [/^\/administration$/, "administration", () => import("./views/administration.js")],
  [/^\/account$/, "account", () => import("./views/account.js")],
];
const places = [
  "overview", "incidents", "explore", "map", "sensors", "rules", "intelligence", "reports", "administration", "account"];
const liveSeconds = 15, gatherMilliseconds = 400;

let me = null, shown = { path: null, refresh: null, abort: null }, isLive = true;
const page = h("main", { class: "page", id: "page", tabindex: "-1" });
const heard = h("p", { class: "unseen", "aria-live": "polite" });

async function start() {
  await speak(usual());
  session.addEventListener("over", () => { if (me) { goodbye(); toast(t("sign.over")); show(); } });
  addEventListener("hashchange", show);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  setInterval(() => { if (isLive && !document.hidden && !period().isFixed) refresh(); }, liveSeconds * 1_000);
  addEventListener("offline", () => toast(t("offline")));
  followChanges();
  register();
  try { me = await get("/v1/session"); } catch (error) {
    if (error.status !== 401) return void showUnreachable(error);
    goodbye();
  }
  await show();
}
/** Without the aggregator there is still what this device was told to keep. */
function showUnreachable(error) {
  fill(document.body, h("main", { class: "page alone-wide", id: "page" },
    h("p", { class: "brand" }, h("img", { src: "icon.svg", alt: "" }), "Weir"),
    h("h1", {}, t("unreachable")), failure(error, start), lastIncidents()));
}
/** What changes is gathered for a moment, then told to the page that shows it. */
function followChanges() {
  let gathered = new Map(), waits = null;
  const pass = () => {
    waits = null;
    const changes = [...gathered.values()];
    gathered = new Map();
    if (me && isLive && shown.happened) Promise.resolve(shown.happened(changes)).catch(failed);
  };
  const soon = () => { waits ??= setTimeout(pass, gatherMilliseconds); };
  stream.addEventListener("incident", ({ detail }) => {
    gathered.set(detail.incident, detail);
    if (detail.change === "opened") notice(detail);
    soon();
  });
  stream.addEventListener("missed", soon);
  stream.addEventListener("state", () => { if (me?.tenant && document.querySelector(".frame")) drawBar(); });
}
function goodbye() {
  me = null;
  hush({ forget: true });
  forgetLast();
}
function register() {
  if (!("serviceWorker" in navigator)) return;
  const address = "sw.js", policy = globalThis.trustedTypes?.createPolicy("weir", { createScriptURL: () => address });
  navigator.serviceWorker.register(policy ? policy.createScriptURL("") : address).catch(() => { /* works without */ });
}

async function show() {
  shown.abort?.abort();
  const { path } = here(), alone = signPages[path];
  if (alone || !me) return showAlone(path, alone || signPages["/sign-in"]);
  if (!me.tenant) return showAlone(path, choosePlace);
  if (isLive) listen();
  if (!document.querySelector(".frame")) drawFrame();
  drawBar();
  const found = pages.map(
    ([pattern, place, load]) => ({ match: pattern.exec(path), place, load })
  ).find(({ match }) => match);
  const isNew = shown.path !== path;
  shown = { path, refresh: null, abort: new AbortController() };
  markPlace(found?.place);
  if (!found) return fill(page, h("h1", {}, t("nothing")), h("a", { href: link("/overview") }, t("place.overview")));
  const mine = shown;
  try {
    const { default: draw } = await found.load();
    const made = draw({ me, id: found.match[1] && decodeURIComponent(found.match[1]), signal: mine.abort.signal });
    if (mine !== shown) return;
    Object.assign(shown, { refresh: made.refresh, happened: made.happened });
    fill(page, made.nodes);
    document.title = `${made.title} – Weir`;
    if (isNew) {
      page.querySelector("h1")?.setAttribute("tabindex", "-1");
      page.querySelector("h1")?.focus();
      scrollTo(0, 0);
    }
    await made.refresh?.();
    if (mine === shown) page.dataset.shown = location.hash;
  } catch (error) {
    if (mine === shown) fill(page, failure(error, show));
  }
}
function refresh() { if (me && shown.refresh) Promise.resolve(shown.refresh()).catch(failed); }

function showAlone(path, draw) {
  shown = { path, refresh: null, abort: null };
  fill(document.body, h("main", { class: "alone", id: "page" },
    h("p", { class: "brand" }, h("img", { src: "icon.svg", alt: "" }), "Weir"),
    draw({ me, entered, leave }), h("div", { class: "row end" }, languageChoice())));
  document.querySelector("main").dataset.shown = location.hash;
  document.title = `${document.querySelector("h1")?.textContent || t("sign.in")} – Weir`;
}
/** After signing in, and after another tenant was chosen. */
async function entered() {
  me = await get("/v1/session");
  if (me.tenants.length === 1 && !me.tenant) {
    await ask("PUT", "/v1/session/tenant", { body: { tenant: me.tenants[0].tenant } });
    me = await get("/v1/session");
  }
  fill(document.body);
  shown.path = null;
  if (signPages[here().path]) location.hash = "#/overview"; else await show();
}
export async function leave() {
  try { await ask("DELETE", "/v1/session"); } catch (error) { if (error.status !== 401) return failed(error); }
  goodbye();
  location.hash = "#/sign-in";
  await show();
}

/** For who may look into several tenants, or into none of their own. */
function choosePlace() {
  const names = me.tenants.map(({ tenant }) => [tenant, tenant]);
  const tenant = names.length ? choice(
    names, names[0][0], null, { name: "tenant" }
  ) : h("input", { name: "tenant", required: true });
  const fields = [field(t("tenant"), tenant)];
  if (me.isOperator) fields.push(field(t("tenant.reason"), h("input", { name: "reason" }), t("tenant.reason.hint")));
  return [h("h1", {}, t("tenant.choose")), form(fields, t("tenant.enter"), async (values) => {
    await ask(
      "PUT", "/v1/session/tenant", { body: { tenant: values.tenant, ...(values.reason && { reason: values.reason }) } }
    );
    await entered();
  }, { extra: [button(t("sign.out"), leave)] })];
}

const bar = h("div", { class: "row" }), menu = h("nav", { class: "places" });
function drawFrame() {
  const toggle = button(t("menu"), () => {
    toggle.setAttribute("aria-expanded", String(menu.classList.toggle("open")));
  }, { class: "menu", "aria-expanded": "false" });
  fill(
    document.body,
    h("a", { class: "skip", href: "#page", onclick: (event) => { event.preventDefault(); page.focus(); } }, t("skip")),
    h("div", { class: "frame" },
      h(
        "header", { class: "bar" },
        h("a", { class: "brand", href: link("/overview") }, h("img", { src: "icon.svg", alt: "" }), "Weir"), bar, toggle
      ),
      menu, page), heard);
}
function drawBar() {
  const now = period(), options = ranges.map((name) => [name, t(`range.${name}`)]);
  if (now.isFixed) options.unshift(["fixed", t("range.fixed")]);
  const range = choice(options, now.isFixed ? "fixed" : now.name, (value) => pick(value), { "aria-label": t("range") });
  const isOn = isLive && !now.isFixed, words = isOn ? t("live.on") : t("live.off");
  const live = button([h("i", { class: isOn && isStreaming() ? "dot on" : "dot" }), words], () => {
    isLive = !isLive;
    fill(heard, isLive ? t("live.on") : t("live.off"));
    if (isLive) listen(); else hush();
    drawBar();
    if (isLive) refresh();
  }, { "aria-pressed": String(isOn), disabled: now.isFixed, title: isOn && isStreaming() ? t("live.stream") : null });
  const tenant = me.tenants.length > 1 || me.isOperator
    ? button(me.tenant, () => { me.tenant = null; hush({ forget: true }); show(); }, { title: t("tenant.choose") })
    : h("span", { class: "small quiet" }, me.tenant);
  fill(bar, range, button(t("range.own"), askPeriod), live, tenant);
}
function pick(value) { if (value !== "fixed") change({ range: value, from: null, to: null }); }
function askPeriod() {
  const now = period(), local = (ms) => new Date(
    ms - new Date(ms).getTimezoneOffset() * 60_000
  ).toISOString().slice(0, 16);
  const input = (name, value) => h("input", { type: "datetime-local", name, required: true, value: local(value) });
  const node = dialog(
    t("range.own"), form([field(t("from"), input("from", now.from)), field(t("to"), input("to", now.to))],
    t("apply"), async ({ from, to }) => {
      if (Date.parse(from) >= Date.parse(to)) throw Object.assign(new Error(t("range.order")), { status: 400 });
      node.close();
      change({ range: null, from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    }));
}
function markPlace(place) {
  menu.setAttribute("aria-label", t("places"));
  menu.classList.remove("open");
  document.querySelector(".menu")?.setAttribute("aria-expanded", "false");
  fill(menu, h("ul", {}, places.map((name) => h("li", {},
    h("a", { href: link(`/${name}`), "aria-current": name === place ? "page" : null }, icon(name), t(`place.${name}`))))));
}
export function languageChoice() {
  return choice(Object.entries(languages), spoken(), async (value) => {
    keep("weir.language", value);
    await speak(value);
    fill(document.body);
    shown.path = null;
    await show();
  }, { "aria-label": t("language") });
}
export function themeChoice() {
  const options = ["system", "light", "dark"].map((name) => [name, t(`theme.${name}`)]);
  return choice(options, kept("weir.theme") || "system", (value) => {
    keep("weir.theme", value);
    if (value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
  }, { "aria-label": t("theme") });
}

start();
