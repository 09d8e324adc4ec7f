// Where threats and traffic are: the countries of attackers and of traffic on a map, sites beside it, and tables that
// say the same. The outlines are of others and may not be installed: then the tables are all.

import { get } from "../api.js";
import { h, s } from "../dom.js";
import { amount, exploring, incomplete, sum } from "../flows.js";
import { none, panel, table } from "../parts.js";
import { link, period } from "../place.js";
import { country, number, percent, t } from "../words.js";

const attackersMax = 100, incidentsMax = 200, shades = 5;

export default function map({ signal }) {
  let found = null;
  const load = () => found;
  const world = panel(t("map"), load, drawMap, { span: "tall" });
  const countries = panel(t("map.countries"), load, drawCountries, { span: "wide" });
  const sites = panel(t("sites"), load, drawSites, { span: "third" });
  const panels = [world, countries, sites];
  const refresh = () => {
    found = ask(signal);
    found.catch(() => { /* each part says it */ });
    return Promise.all(panels.map((one) => one.refresh()));
  };
  return {
    title: t("place.map"),
    nodes: [h("div", { class: "head" }, h("h1", {}, t("place.map"))),
      h("div", { class: "grid" }, panels.map(({ node }) => node))],
    refresh, happened: refresh,
  };
}

async function ask(signal) {
  const { from, to } = period(), time = { from: Math.round(from), to: Math.round(to) };
  const top = (by) => get("/v1/flows/top", { by, ...time, limit: 250 }, signal).catch((error) => {
    if (by !== "site" && error.kind === "bad-parameter") return null;
    throw error;
  });
  const [outlines, sources, destinations, sites, sensors, threats] = await Promise.all([
    shapes(), top("sourceCountry"), top("destinationCountry"), top("site"),
    get("/v1/sensors", {}, signal).catch(() => ({ items: [] })), attackers(time, signal)]);
  const rows = new Map();
  const row = (code) => {
    const key = /^[A-Z]{2}$/.test(code || "") ? code : "";
    if (!rows.has(key)) rows.set(key, { code: key, incidents: new Set(), attackers: new Set(), from: 0, to: 0 });
    return rows.get(key);
  };
  for (const one of sources?.items || []) row(one.key).from += sum(one, "octets");
  for (const one of destinations?.items || []) row(one.key).to += sum(one, "octets");
  for (const { address, incident, code } of threats) {
    row(code).attackers.add(address);
    row(code).incidents.add(incident);
  }
  const list = [...rows.values()].sort((a, b) =>
    b.incidents.size - a.incidents.size || b.from + b.to - a.from - a.to);
  return { outlines, list, sites, sensors: sensors.items, hasTable: sources !== null, answers: [sources, destinations] };
}
/** Attackers of open incidents with the country of each, as far as it is known. */
async function attackers({ from, to }, signal) {
  const { items } = await get("/v1/incidents", { status: "open", from, to, limit: incidentsMax }, signal);
  const pairs = items.flatMap((one) => one.entities.filter(({ role }) => role === "attacker")
    .map(({ value }) => ({ address: value, incident: one.id })));
  const asked = [...new Set(pairs.map(({ address }) => address))].slice(0, attackersMax);
  if (!asked.length) return [];
  const known = await get("/v1/intel/lookup", { indicator: asked.join(",") }, signal).catch(() => ({ items: [] }));
  const codes = new Map(known.items.map((one) => [one.query, one.origin?.country]));
  return pairs.map((one) => ({ ...one, code: codes.get(one.address) }));
}
let outlines;
/** Null where they are not installed. */
function shapes() {
  outlines ??= fetch("assets/list.json").then((answer) => answer.json())
    .then((names) => (names.includes("world.json") ? fetch("assets/world.json").then((answer) => answer.json()) : null))
    .catch(() => { outlines = undefined; return null; });
  return outlines;
}

function drawMap({ outlines: world, list, hasTable }) {
  if (!world) return h("p", { class: "note" }, t("map.none"));
  const [width, height] = world.size, known = new Map(list.map((one) => [one.code, one]));
  const most = Math.max(...list.map((one) => (one.code ? one.from + one.to : 0)), 1);
  const shade = (one) => (one && one.from + one.to > 0
    ? Math.ceil(shades * ((one.from + one.to) / most) ** .35) : 0);
  const words = (one) => `${country(one.code)}: ${t("incidents.count", { n: one.incidents.size })}, ${
    amount("octets")(one.from + one.to)}`;
  const lands = Object.entries(world.countries).map(([code, { path }]) => {
    const one = known.get(code);
    return s("path", { class: `land k${shade(one)}`, d: path }, s("title", {}, one ? words(one) : country(code)));
  });
  const marks = list.filter((one) => one.incidents.size && world.countries[one.code]).map((one) => {
    const [x, y] = world.countries[one.code].at;
    return s("g", {}, s("circle", { class: "threat", cx: x, cy: y, r: 6 + 5 * Math.log2(one.incidents.size) },
      s("title", {}, words(one))), s("text", { class: "threats", x, y: y + 4 }, number(one.incidents.size)));
  });
  const unknown = list.find((one) => one.code === "" && (one.incidents.size || one.from + one.to));
  return [h("div", { class: "world scroll", tabindex: "0", role: "group", "aria-label": t("map") },
    s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${t("map")}. ${t("map.says")}` },
      lands, marks)),
  h("ul", { class: "keys" }, h("li", {}, h("i", { class: "k1" }), h("i", { class: "k3" }), h("i", { class: "k5" }),
    t("map.shade")), h("li", {}, h("i", { class: "role attacker" }), t("map.circle"))),
  !hasTable && h("p", { class: "note" }, t("top.no.countries")),
  unknown && h("p", { class: "small quiet" }, t("map.unknown", { incidents: t("incidents.count",
    { n: unknown.incidents.size }), octets: amount("octets")(unknown.from + unknown.to) }))];
}
function drawCountries({ list, answers }) {
  if (!list.length) return none(t("traffic.none"));
  const all = list.reduce((sums, one) => sums + one.from + one.to, 0) || 1;
  return [table(t("map.countries"), [
    { title: t("country"), cell: (one) => (one.code
      ? h("a", { href: exploring(`country ${one.code}`) }, country(one.code)) : t("unknown")) },
    { title: t("place.incidents"), kind: "figure", cell: (one) => (one.attackers.size === 1 && one.incidents.size
      ? h("a", { href: link("/incidents", { address: [...one.attackers][0] }) }, number(one.incidents.size))
      : number(one.incidents.size)) },
    { title: t("attackers"), kind: "figure", cell: (one) => number(one.attackers.size) },
    { title: t("map.from"), kind: "figure", cell: (one) => amount("octets")(one.from) },
    { title: t("map.to"), kind: "figure", cell: (one) => amount("octets")(one.to) },
    { title: t("share"), kind: "figure", cell: (one) => percent((one.from + one.to) / all) },
  ], list.slice(0, 40)), answers.filter(Boolean).map(incomplete)];
}
function drawSites({ sites, sensors }) {
  const sums = new Map((sites?.items || []).map((one) => [one.key, one]));
  const names = [...new Set([...sums.keys(), ...sensors.map(({ site }) => site)])].filter(Boolean).sort();
  if (!names.length) return none(t("sensors.none"));
  const all = sites ? sum(sites.total, "octets") || 1 : 1;
  return table(t("sites"), [
    { title: t("site"), cell: (name) => h("a", { href: exploring(`site "${name}"`) }, name) },
    { title: t("place.sensors"), kind: "figure", cell: (name) => number(sensors.filter(({ site }) => site === name).length) },
    { title: t("octets"), kind: "figure", cell: (name) => amount("octets")(sum(sums.get(name), "octets")) },
    { title: t("share"), kind: "figure", cell: (name) => percent(sum(sums.get(name), "octets") / all) },
  ], names);
}
