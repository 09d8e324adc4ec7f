// What questions about traffic have in common: parameters, units, names of services.

import { get } from "./api.js";
import { h } from "./dom.js";
import { link, period, step } from "./place.js";
import { bits, bytes, country, number, t } from "./words.js";

export const measures = ["octets", "packets", "flows"];
/** As the API calls them. */
export const column = { octets: "octetDeltaCount", packets: "packetDeltaCount", flows: "deltaFlowCount" };
export const groupings = [
  "service", "sourceAddress", "destinationAddress", "sourceAddress/24", "destinationTransportPort",
  "protocolIdentifier", "sourceCountry", "destinationCountry", "bgpSourceAsNumber", "bgpDestinationAsNumber",
    "exporter",
  "ingressInterface", "egressInterface", "site", "sensor"];

export const sum = (tally, measure) => tally?.[column[measure]] || 0;
export const amount = (measure) => (measure === "octets" ? bytes : number);
/** A value of a step as a rate: bits, packets or flows a second. */
export const rate = (measure, seconds) => (value) =>
  measure === "octets" ? bits((value * 8) / seconds) : `${number(value / seconds, 1)}/s`;

/** What makes a step's value that rate's number. */
export const scale = (measure, seconds) => (measure === "octets" ? 8 : 1) / seconds;

const services = {
  20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 53: "dns", 67: "dhcp", 80: "http", 110: "pop3",
  123: "ntp", 137: "netbios", 143: "imap", 161: "snmp", 179: "bgp", 389: "ldap", 443: "https", 445: "smb",
    500: "isakmp", 514: "syslog",
  587: "submission", 636: "ldaps", 853: "dns-tls", 993: "imaps", 1194: "openvpn", 1433: "mssql", 1883: "mqtt",
    3306: "mysql",
  3389: "rdp", 5060: "sip", 5353: "mdns", 5432: "postgresql", 8080: "http-alt", 8443: "https-alt", 11211: "memcached" };
const protocols = { 1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp" };
export const protocol = (value) => protocols[value] || String(value ?? "");

/** A group's key as people say it. */
export function groupName(by, item) {
  const key = item.key;
  if (key === "" || key === undefined) return t("unknown");
  if (by === "protocolIdentifier") return protocol(key);
  if (by.endsWith("Country")) return country(key);
  if (by === "service") {
    const [number, port] = key.split("/");
    if (number === "1" || number === "58") return `${protocol(number)} ${port >> 8}/${port & 255}`;
    return services[port] ? `${services[port]} ${protocol(number)}/${port}` : `${protocol(number)}/${port}`;
  }
  if (
    by === "sourceTransportPort" || by === "destinationTransportPort"
  ) return services[key] ? `${key} ${services[key]}` : key;
  return key;
}
const tests = {
  service: (key) => `${protocol(key.split("/")[0])} port ${key.split("/")[1]}`, sourceAddress: (key) => `src ip ${key}`,
  destinationAddress: (key) => `dst ip ${key}`, "sourceAddress/24": (key) => `src net ${key}`,
    destinationTransportPort: (key) => `dst port ${key}`,
  protocolIdentifier: (key) => `proto ${key}`, sourceCountry: (key) => `src country ${key}`,
    destinationCountry: (key) => `dst country ${key}`,
  bgpSourceAsNumber: (key) => `src as ${key}`, bgpDestinationAsNumber: (key) => `dst as ${key}`,
    ingressInterface: (key) => `in if ${key}`,
  egressInterface: (key) => `out if ${key}`, site: (key) => `site "${key}"` };
/** What asks for a group's flows, in the filter language; null when the language has no word for it. */
export const groupFilter = (by, key) => (key && tests[by] ? tests[by](key) : null);
export const exploring = (filter, query = {}) => link("/explore", { filter, ...query });
/** An address that leads to its traffic. */
export const hostLink = (address) => h("a", { class: "mono", href: exploring(`ip ${address}`) }, address);

/** Series of the period on show, with that of the period before if wanted. */
export async function askSeries({ filter, by, measure, limit = 6, compare, between = period(), signal, rollups }) {
  const seconds = step(between), width = seconds * 1_000;
  const from = Math.floor(between.from / width) * width, to = Math.ceil(between.to / width) * width;
  const query = { filter, by, measure: column[measure], limit, period: seconds, rollups };
  const [now, before] = await Promise.all([
    get("/v1/flows/series", { ...query, from, to }, signal),
    compare ? get("/v1/flows/series", { ...query, by: undefined, from: from - (to - from), to: from }, signal) : null,
  ]);
  const values = (line) => line?.[column[measure]] || [];
  const layers = now.items.map((line) => ({ name: by ? groupName(by, line) : t("all"), values: values(line) }));
  if (values(now.other).some((value) => value > 0)) layers.push(
    { name: by ? t("others") : t("all"), values: values(now.other), isRest: Boolean(by) }
  );
  const previous = before && totals([...before.items, before.other].map(values));
  return {
    now, from: now.from, step: now.period, seconds, layers, before: previous, query,
    isEmpty: layers.every((l) => l.values.every((v) => !v))
  };
}
function totals(lines) {
  const count = Math.max(0, ...lines.map((line) => line.length));
  return Array.from({ length: count }, (_, i) => lines.reduce((all, line) => all + (line[i] || 0), 0));
}
export const addUp = (values) => values.reduce((all, value) => all + value, 0);
/** Says when an answer does not hold all that it might. */
export const incomplete = (answer) => answer.complete === false && h("p", { class: "note" }, t("incomplete"));
