// Words, plurals, numbers and times in the reader's language. Each language is a table of the same keys, which a test
// compares.

import en from "./languages/en.js";

const loaders = { de: () => import("./languages/de.js"), fr: () => import("./languages/fr.js") };
export const languages = { en: "English", de: "Deutsch", fr: "Français" };
let table = en, language = "en", region = "en", plural = new Intl.PluralRules("en");

export async function speak(wanted) {
  language = languages[wanted] ? wanted : "en";
  table = loaders[language] ? (await loaders[language]()).default : en;
  // How times and numbers are written goes by the reader's own country, as far as it has that language.
  region = (navigator.languages || []).find((name) => name.startsWith(language)) || language;
  plural = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}
export function usual() {
  const first = (navigator.languages || []).map((name) => name.slice(0, 2)).find((name) => languages[name]);
  return kept("weir.language") || first || "en";
}
export const spoken = () => language;

/** The words of a key with values in the place of `{name}`; `{n}` chooses the plural and is written as a number. */
export function t(key, values = {}) {
  let text = table[key] ?? en[key] ?? key;
  if (typeof text === "object") text = text[plural.select(Number(values.n) || 0)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : String(value);
  });
}
/** The words of a key that may be unknown here, such as an API's word: the word itself then. */
export const word = (group,
  name) => table[`${group}.${name}`] ?? en[`${group}.${name}`] ?? String(name ?? "").replaceAll("_", " ");

const formats = new Map();
function format(kind, options) {
  const name = region + kind.name + JSON.stringify(options);
  if (!formats.has(name)) formats.set(name, new kind(region, options));
  return formats.get(name);
}
export const number = (value, digits = 0) =>
  format(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value);
export const percent = (value) =>
  format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 1 }).format(value);
/** With a sign: how much something changed. */
export const change = (value) =>
  format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" }).format(value);
export const short = (value) =>
  format(Intl.NumberFormat, { notation: "compact", maximumFractionDigits: 1 }).format(value);

const scaled = (units, per) => (value) => {
  let place = 0, rest = Math.abs(value);
  while (rest >= 1_000 && place < units.length - 1) { rest /= 1_000; place += 1; }
  const unit = per ? `${units[place]}-per-second` : units[place];
  const digits = rest >= 100 || place === 0 ? 0 : 1;
  return format(Intl.NumberFormat, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits })
    .format(Math.sign(value) * rest);
};
export const bytes = scaled(["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"], false);
export const bits = scaled(["bit", "kilobit", "megabit", "gigabit", "terabit"], true);

export const moment = (value) =>
  format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(value));
export const clock = (value, withDay) => format(Intl.DateTimeFormat, withDay
  ? { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }
  : { hour: "2-digit", minute: "2-digit" }).format(new Date(value));
const steps = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
/** How long ago, in words. */
export function ago(value, now = Date.now()) {
  const seconds = (new Date(value).getTime() - now) / 1_000;
  const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) || ["second", 1];
  return format(Intl.RelativeTimeFormat, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

/** A country's name, of two letters. */
export function country(code) {
  try { return format(Intl.DisplayNames, { type: "region" }).of(code); } catch { return code; }
}
const lengths = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000], ["millisecond", 1]];
/** How long something lasts, of ms. */
export function span(value) {
  const [unit, size] = lengths.find(([, size]) => Math.abs(value) >= size) || lengths.at(-1);
  return format(Intl.NumberFormat, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 })
    .format(value / size);
}

export function kept(name) { try { return localStorage.getItem(name); } catch { return null; } }
export function keep(name, value) { try { localStorage.setItem(name, value); } catch { /* private mode */ } }
export function drop(name) { try { localStorage.removeItem(name); } catch { /* private mode */ } }
