// What happens to incidents, as it happens: one stream for all pages, which goes on where it stopped.

import { address } from "./api.js";

/** Told `incident` with what changed as its `detail`, `missed` when some changes are not known, `state` of `isLive`. */
export const live = new EventTarget();
const laterSeconds = 30;
let source = null, last = null, later = null;
export const isLive = () => source?.readyState === 1;

/** Opens the stream unless it is open. A browser that loses it comes back by itself with the id of the last event. */
export function listen() {
  clearTimeout(later);
  if (source || !("EventSource" in globalThis)) return;
  source = new EventSource(address("/v1/live/incidents", { after: last }));
  source.addEventListener("open", () => tell("state"));
  source.addEventListener("incident", (event) => {
    last = event.lastEventId;
    try { tell("incident", JSON.parse(event.data)); } catch { tell("missed"); }
  });
  source.addEventListener("reset", (event) => { last = event.lastEventId; tell("missed"); });
  source.addEventListener("error", () => {
    // Refused: too many streams, or no right to. Pages go on asking by themselves.
    if (source?.readyState === EventSource.CLOSED) { hush(); later = setTimeout(listen, laterSeconds * 1_000); }
    tell("state");
  });
}
/** - `forget`: somebody else may come next. */
export function hush({ forget = false } = {}) {
  clearTimeout(later);
  source?.close();
  source = null;
  if (forget) last = null;
}
function tell(name, detail) { live.dispatchEvent(new CustomEvent(name, { detail })); }
