// Asks the API. A refusal (RFC 9457) becomes a `Refusal`; a session that is over is told to who listens.

export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.kind = String(problem.type || "").replace("urn:weir:problem:", "");
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}
/** Told `over` when a session has ended. */
export const session = new EventTarget();

/** Parameters that are null, undefined or empty are left out. */
export function address(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, value);
  }
  // The API reads percent signs only: a plus is a plus there.
  const text = parameters.toString().replaceAll("+", "%20");
  return text ? `${path}?${text}` : path;
}
/** Of a path. A colon stays: ids have them, and the API compares paths as they are written. */
export const part = (text) => encodeURIComponent(text).replaceAll("%3A", ":");

/** - `revision`: of what is changed, as it was seen. */
export async function ask(method, path, { query, body, revision, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["Weir-Request"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (revision !== undefined) headers["If-Match"] = `"${revision}"`;
  const answer = await fetch(address(path, query), {
    method, headers, signal, credentials: "same-origin", cache: "no-store", redirect: "error",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  const value = parsed(text);
  if (answer.ok) return value;
  if (answer.status === 401 && path !== "/v1/session") session.dispatchEvent(new Event("over"));
  throw new Refusal(answer.status, value && typeof value === "object" ? value : {}, answer.headers.get("Retry-After"));
}
export const get = (path, query, signal) => ask("GET", path, { query, signal });

function parsed(text) {
  try { return text ? JSON.parse(text) : null; } catch { return null; }
}
