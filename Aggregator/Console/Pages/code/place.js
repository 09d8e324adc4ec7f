// Where in the console somebody is: all of it is in the address's fragment, so that a link shows another what one sees.
// `#/incidents/inc-1?range=24h&status=open`: a path, what all pages share (the time), what one page has for itself.

export const ranges = ["15m", "1h", "6h", "24h", "7d", "30d"];
const shared = ["range", "from", "to"];
const unit = { m: 60_000, h: 3_600_000, d: 86_400_000 };

export function here() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?", 2);
  return { path: path || "/overview", query: new URLSearchParams(query) };
}
/** A place with the time of now; `query`'s empty values are left out. */
export function link(path, query = {}) {
  const parameters = new URLSearchParams(), now = here().query;
  for (const name of shared) if (now.get(name)) parameters.set(name, now.get(name));
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") parameters.delete(name);
    else parameters.set(name, value);
  }
  const text = parameters.toString();
  return `#${path}${text ? `?${text}` : ""}`;
}
export function go(path, query) { location.hash = link(path, query); }
/** The same page with some parameters changed; null takes one away. */
export function change(changes) {
  const now = here(), query = Object.fromEntries(now.query);
  location.hash = link(now.path, { ...query, ...changes });
}
/** What is asked about, in ms. A relative one ends now. */
export function period(now = Date.now()) {
  const query = here().query, from = Date.parse(query.get("from")), to = Date.parse(query.get("to"));
  if (Number.isFinite(from) && Number.isFinite(to) && from < to) return { from, to, isFixed: true, name: null };
  const name = ranges.includes(query.get("range")) ? query.get("range") : "24h";
  return { from: now - length(name), to: now, isFixed: false, name };
}
export function length(name) { return Number.parseInt(name, 10) * unit[name.at(-1)]; }
/** A step that makes some `count` bars of a period, in s: one that people know. */
export function step({ from, to }, count = 60) {
  const wanted = (to - from) / 1_000 / count;
  return [1, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 86_400].find((s) => s >= wanted) || 86_400;
}
