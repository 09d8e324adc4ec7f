// A new sensor, step by step: its certificate, its settings, its first heartbeat, and traffic to try it with. The page
// looks for the heartbeat by itself.

import { ask, get, part } from "../api.js";
import { fill, h } from "../dom.js";
import { badge, button, exactly, failed, field, panel, toast } from "../parts.js";
import { link } from "../place.js";
import { t } from "../words.js";
import { health } from "./ledger.js";

const name = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export default function enrol({ me, signal }) {
  const commands = h("div", { class: "stack" });
  const values = { site: "hq", name: "edge1", domain: "weir.example", host: `${location.hostname}:8443`, port: "4739" };
  const input = (key, text, hint) => field(t(text), h("input", { value: values[key], autocapitalize: "off",
    autocomplete: "off", spellcheck: "false", oninput: (event) => { values[key] = event.target.value.trim(); draw(); } }),
  hint && t(hint));
  const about = h("section", { class: "panel", "aria-label": t("enrol.about") }, h("h2", {}, t("enrol.about")),
    h("div", { class: "tiles" }, input("site", "site", "enrol.site"), input("name", "name"), input("domain", "enrol.domain",
      "enrol.domain.hint"), input("host", "enrol.host"), input("port", "enrol.port", "enrol.port.hint")));
  function draw() {
    const problems = ["site", "name"].filter((key) => !name.test(values[key]));
    const { site, name: own, domain, host, port } = values;
    const settings = `trustDomain: ${domain}\naggregators:\n  - ${host}\nlisten:\n  addresses: ["0.0.0.0:${port}"]\ntls:\n`
      + `  certificate: pki/${own}.pem\n  key: pki/${own}.key\n  trust: pki/ca.pem\nspool:\n  directory: /var/lib/weir/spool\n`;
    fill(commands, problems.length ? h("p", { class: "problem" }, t("enrol.names")) : h("ol", { class: "steps" },
      step(t("enrol.certificate"), t("enrol.certificate.text"),
        `weirctl certs issue sensor pki --tenant ${me.tenant} --site ${site} --name ${own}`),
      step(t("enrol.settings"), t("enrol.settings.text", { name: own }), settings),
      step(t("enrol.run"), t("enrol.run.text"),
        "weir-sensor check --config sensor.yaml\nweir-sensor run --config sensor.yaml"),
      step(t("enrol.traffic"), t("enrol.traffic.text"),
        `weirctl simulate --scenario mixed --protocol ipfix --rate 40 --duration 30 --seed 7 --to 127.0.0.1:${port}`)));
  }
  // Where the aggregator gives certificates itself, a token is all that the site needs.
  const token = panel(t("enrol.token"), () => get("/v1/sensors/enrolments", {}, signal), ({ items }) => {
    const id = `${values.site}:${values.name}`, waiting = items.find((one) => one.id === id);
    const place = h("div", { class: "stack", role: "status" });
    return [h("p", { class: "small quiet" }, t("enrol.token.text")), waiting && h("p", { class: "note" },
      t("enrol.token.waits"), " ", exactly(waiting.expiresAt)), h("div", { class: "row" }, button(t("enrol.token.make"),
      async () => {
        try {
          const made = await ask("POST", `/v1/sensors/${part(`${values.site}:${values.name}`)}/enrolment`,
            { body: { minutes: 60 } });
          fill(place, h("p", { class: "quiet small" }, t("secret.once")), h("input", { readonly: true, class: "mono",
            value: made.token, "aria-label": t("enrol.token"), onfocus: (event) => event.target.select() }),
          step(t("enrol.token.use"), t("enrol.token.use.text"), `weirctl sensors enrol --url ${location.origin} `
            + `--token-file ${values.name}.token --out pki/${values.name}.pem --trust-out pki/ca.pem`));
        } catch (error) { failed(error); }
      })), place];
  }, { optional: true });
  const step = (title, text, command) => h("li", { class: "stack" }, h("h3", {}, title), h("p", { class: "small quiet" }, text),
    h("div", { class: "command" }, h("pre", { class: "scroll", tabindex: "0", "aria-label": title }, command),
      button(t("copy"), () => navigator.clipboard.writeText(command).then(() => toast(t("copied")), failed))));
  const seen = panel(t("enrol.heard"), () => get("/v1/sensors", {}, signal), ({ items }) => {
    const id = `${values.site}:${values.name}`, one = items.find((item) => item.id === id);
    if (!one) return h("p", { class: "note" }, t("enrol.waits", { id }));
    return h("div", { class: "stack" }, h("p", { class: "row" }, badge(...health(one)),
      h("a", { href: link(`/sensors/${encodeURIComponent(id)}`) }, id), t("flow.count", { n: one.flows || 0 })),
    one.flows > 0 ? h("p", {}, h("a", { class: "button main", href: link("/overview", { range: "1h" }) },
      t("enrol.done"))) : h("p", { class: "quiet" }, t("enrol.flows")));
  });
  draw();
  const watch = setInterval(() => { if (!document.hidden) seen.refresh(); }, 3_000);
  signal.addEventListener("abort", () => clearInterval(watch));
  return {
    title: t("enrol"),
    nodes: [h("div", { class: "head" }, h("h1", {}, t("enrol")), h("a", { class: "button", href: link("/sensors") },
      t("place.sensors"))), about, h("section", { class: "panel", "aria-label": t("enrol.steps") },
    h("h2", {}, t("enrol.steps")), commands), token.node, seen.node],
    refresh: once(() => Promise.all([seen.refresh(), token.refresh()]), seen.refresh),
  };
}

/** The first time all of it; then only what changes by itself, so that a token stays in sight. */
function once(first, then) {
  let isFirst = true;
  return () => {
    const act = isFirst ? first : then;
    isFirst = false;
    return act();
  };
}
