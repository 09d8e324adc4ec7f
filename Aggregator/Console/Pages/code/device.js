// What this device is told to keep or to say, by who sits at it: the last incidents for when there is no network, and
// a notice of new ones. Neither happens unasked; both end with the session.

import { h } from "./dom.js";
import { severity, status, table, when } from "./parts.js";
import { drop, keep, kept, t } from "./words.js";

const place = "weir.last", keptMax = 50;
export const keepsLast = () => kept("weir.keeps") === "yes";
export function keepLast(isWanted) {
  keep("weir.keeps", isWanted ? "yes" : "no");
  if (!isWanted) forgetLast();
}
export const forgetLast = () => drop(place);
/** Of incidents as the API has them: what a list shows, and no more. */
export function rememberLast(items) {
  if (!keepsLast()) return;
  const lines = items.slice(0, keptMax).map(({ title, severity: level, status: state, end }) =>
    ({ title, severity: level, status: state, end }));
  keep(place, JSON.stringify({ at: Date.now(), items: lines }));
}
export function lastIncidents() {
  let found = null;
  try { found = JSON.parse(kept(place)); } catch { /* not ours: as if it were not there */ }
  if (!Array.isArray(found?.items)) return null;
  return h("section", { class: "panel", "aria-label": t("device.last") },
    h("header", {}, h("h2", {}, t("device.last")), h("span", { class: "small quiet" }, when(found.at))),
    table(t("device.last"), [
      { title: t("severity"), kind: "fit", cell: (one) => severity(one.severity) },
      { title: t("title"), cell: (one) => String(one.title) },
      { title: t("status"), kind: "fit", cell: (one) => status(one.status) },
      { title: t("last.seen"), kind: "fit", cell: (one) => when(one.end) },
    ], found.items));
}

export const canNotify = () => "Notification" in globalThis && "serviceWorker" in navigator;
export const notifies = () => canNotify() && Notification.permission === "granted" && kept("weir.notices") === "yes";
export async function notify(isWanted) {
  if (isWanted && Notification.permission !== "granted") await Notification.requestPermission();
  keep("weir.notices", isWanted && Notification.permission === "granted" ? "yes" : "no");
}
/** Of a new grave incident, while the console is open but not looked at. */
export async function notice({ incident, title, severity: level }) {
  if (!document.hidden || !notifies() || !["critical", "high"].includes(level)) return;
  const worker = await navigator.serviceWorker.getRegistration();
  await worker?.showNotification(title, { tag: incident, icon: "icon.svg", data: `#/incidents/${incident}` });
}
