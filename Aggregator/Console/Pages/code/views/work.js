// What people do to an incident. Every change names the revision that was seen: who comes late is told,
// and sees the new one.

import { ask, get, part } from "../api.js";
import { fill, h } from "../dom.js";
import {
  badge, button, choice, confirm, dialog, exactly, facts, failed, field, form, none, table, toast
} from "../parts.js";
import { number, t, word } from "../words.js";

const statuses = ["new", "triaged", "in-progress", "contained", "resolved", "false-positive"];
const severities = ["low", "medium", "high", "critical"];
const verdicts = ["true-positive", "false-positive", "benign"];
const taskStates = ["open", "done", "skipped"], approvals = ["awaiting-approval", "approved", "rejected"];

const peoples = ["status", "assignee", "pinnedSeverity", "verdict", "tags", "tasks", "mergedInto"];
const asSeen = (one, now) => peoples.every((name) => JSON.stringify(one[name]) === JSON.stringify(now[name]));
/** The incident of now, if only detection has changed it since it was seen; null if a person did. */
export async function grownOnly(one) {
  const now = await get(`/v1/incidents/${part(one.id)}`);
  return asSeen(one, now) ? now : null;
}
// One change at a time, each based on what the one before made: nobody is late for what they did themselves.
const own = new Map();
let queue = Promise.resolve();
function patch(one, change) {
  const turn = queue.then(async () => {
    const made = own.get(one.id), now = await patchNow(made?.revision > one.revision ? made : one, change);
    own.set(now.id, now);
    return now;
  });
  queue = turn.catch(() => {});
  return turn;
}
async function patchNow(one, change) {
  const send = (seen) => ask("PATCH", `/v1/incidents/${part(seen.id)}`, { body: change, revision: seen.revision });
  try { return await send(one); } catch (error) {
    const now = error.status === 412 && one.status ? await grownOnly(one) : null;
    if (!now) throw error;
    return send(now);
  }
}
/** Changes, says so, offers the way back and shows what is now. */
async function edit(one, change, refresh, back) {
  try {
    const made = await patch(one, change);
    toast(t("saved"), t("undo"), back && (() => edit(made, back, refresh)));
  } catch (error) {
    if (error.status === 412) toast(t("changed.meanwhile")); else failed(error);
  }
  document.activeElement?.blur();
  await refresh();
}

/** State, who works on it, what it turned out to be, tasks, tags, a comment. */
export function desk(one, me, refresh) {
  const change = (body, back) => edit(one, body, refresh, back);
  const people = [["", t("nobody")], [me.person, t("me")]];
  if (one.assignee && one.assignee !== me.person) people.push([one.assignee, one.assignee]);
  return h("div", { class: "stack work" },
    field(
      t("status"),
      choice(
        statuses.map((name) => [name, word("status", name)]), one.status,
        (value) => change({ status: value }, { status: one.status })
      )
    ),
    field(
      t("assignee"),
      choice(
        people, one.assignee || "", (value) => change({ assignee: value || null }, { assignee: one.assignee || null })
      )
    ),
    field(
      t("severity"),
      choice(
        [["", t("severity.assessed")], ...severities.map((name) => [name, word("severity", name)])],
        one.pinnedSeverity || "",
        (value) => change({ severity: value || null }, { severity: one.pinnedSeverity || null })
      )
    ),
    field(
      t("verdict"),
      choice(
        [["", t("verdict.none")], ...verdicts.map((name) => [name, word("verdict", name)])], one.verdict?.kind || "",
        (value) => value && change({ verdict: { kind: value } })
      )
    ),
    h("h3", {}, t("tags")), h(
      "div", { class: "row" },
      (one.tags || []).map(
        (tag) => button(
          `#${tag} ×`, () => change({ tags: { remove: [tag] } }, { tags: { add: [tag] } }),
          { "aria-label": t("tag.remove", { tag }) }
        )
      )
    ),
    line("tag", t("tag.add"), (tag) => change({ tags: { add: [tag] } })),
    h("h3", {}, t("tasks")), tasks(one, change), line("task", t("task.add"), (title) => change({ task: { title } })),
    playbooks(one, change),
    h("h3", {}, t("comment")), form(
      [h("textarea", { name: "comment", required: true, maxlength: "16000", "aria-label": t("comment") })],
      t("comment.add"), ({ comment }) => change({ comment })
    ));
}
function line(name, text, act) {
  const input = h("input", { name, "aria-label": text, required: true, maxlength: "200" });
  return h(
    "form", { class: "row", onsubmit: (event) => { event.preventDefault(); act(input.value.trim()); } }, input,
    h("button", { type: "submit" }, text)
  );
}
function tasks(one, change) {
  const list = one.tasks || [];
  if (!list.length) return h("p", { class: "small quiet" }, t("tasks.none"));
  return h("ul", { class: "stack" }, list.map((task) => {
    const states = approvals.includes(task.state) ? approvals : taskStates;
    return h(
      "li", { class: "row" },
      choice(
        states.map((name) => [name, word("task", name)]), task.state,
        (state) => change({ tasks: [{ id: task.id, state }] }), { "aria-label": task.title }
      ),
      h("span", {}, task.title)
    );
  }));
}
function playbooks(one, change) {
  const place = h("div", {});
  place.append(button(t("playbook.start"), async () => {
    try {
      const { items } = await get("/v1/playbooks");
      fill(
        place,
        items.length ? choice(
          [["", t("playbook.choose")], ...items.map(({ name }) => [name, name])], "",
          (name) => name && change({ playbook: name }), { "aria-label": t("playbook.choose") }
        ) : h("p", { class: "small quiet" }, t("playbook.none"))
      );
    } catch (error) { failed(error); }
  }));
  return place;
}

export function mergeButton(now, refresh) {
  return button(t("merge"), () => {
    const node = dialog(
      t("merge"), h("p", { class: "quiet" }, t("merge.text")),
      form([field(t("merge.other"), h("input", { name: "other", required: true }))], t("merge"), async ({ other }) => {
      const id = other.trim().split("/").pop().split("?")[0], found = await get(
        `/v1/incidents/${part(id)}`
      ), one = now();
      await ask(
        "POST", `/v1/incidents/${part(one.id)}/merge`,
        { body: { incident: found.id, revision: found.revision }, revision: one.revision }
      );
      node.close();
      toast(t("saved"));
      await refresh();
    }));
  });
}
export function splitButton(one, refresh) {
  return button(t("split"), async () => {
    const ids = [...document.querySelectorAll("input.finding:checked")].map((input) => input.value);
    if (!ids.length || ids.length === one.findings.length) return toast(t("split.some"));
    confirm(t("split"), t("split.text", { n: ids.length }), async () => {
      await ask("POST", `/v1/incidents/${part(one.id)}/split`, { body: { findings: ids }, revision: one.revision });
      toast(t("saved"));
      await refresh();
    });
  });
}
export function undoButton(one, event, refresh) {
  return button(t("undo"), async () => {
    try {
      await ask(
        "POST", `/v1/incidents/${part(one.id)}/undo`, { body: { revision: event.revision }, revision: one.revision }
      );
      toast(t("saved"));
    } catch (error) { failed(error); }
    await refresh();
  });
}

/** An exception, with what it would have hidden shown before it is made. */
export function exceptionButton(now) {
  return button(t("exception"), () => {
    const one = now(), attacker = one.entities.find(({ role }) => role === "attacker")?.value || "";
    const seen = h("div", { role: "status" }), inputs = {
      rules: h("input", { name: "rules", value: one.rule }), networks: h(
        "input", { name: "networks", value: attacker }
      ),
      role: choice(
        [["attacker", word("role", "attacker")], ["victim", word("role", "victim")]], "attacker", null, { name: "role" }
      ), ports: h("input", { name: "ports" }),
    };
    const words = (text) => text.split(/[\s,]+/).filter(Boolean);
    const scope = () => {
      const made = {}, ports = words(inputs.ports.value).map(Number);
      if (inputs.rules.value.trim()) made.rules = words(inputs.rules.value);
      if (inputs.networks.value.trim()) Object.assign(
        made, { networks: words(inputs.networks.value), role: inputs.role.value }
      );
      if (ports.length) made.ports = ports;
      return made;
    };
    const preview = async () => {
      try {
        const answer = await ask("POST", "/v1/exceptions/preview", { body: { scope: scope() }, query: { days: 30 } });
        fill(
          seen, h("div", { class: "note" }, facts([[t("preview.findings"), number(answer.findings)],
          [t("preview.whole"), number(answer.wholeIncidents)], [t("preview.part"), number(answer.partIncidents)],
          ...Object.entries(answer.bySeverity || {}).map(
            ([name, n]) => [word("severity", name), number(n)]
          )]), answer.isPartial && h("p", {}, t("incomplete"))));
      } catch (error) { fill(seen, h("div", { class: "problem", role: "alert" }, error.message)); }
    };
    const soon = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);
    const node = dialog(t("exception"), h("p", { class: "quiet small" }, t("exception.text")), form([
      field(t("rule"), inputs.rules), field(
        t("networks"), inputs.networks
      ), field(t("role"), inputs.role), field(t("ports"), inputs.ports),
      field(
        t("reason"), h("input", { name: "reason", required: true })
      ), field(t("owner"), h("input", { name: "owner", required: true })),
      field(t("ends"), h("input", { name: "ends", type: "date", required: true, value: soon })), seen,
    ], t("exception.make"), async ({ reason, owner, ends }) => {
      await ask(
        "POST", "/v1/exceptions", { body: { scope: scope(), reason, owner, expiresAt: new Date(ends).toISOString() } }
      );
      node.close();
      toast(t("saved"));
    }, { extra: [button(t("preview"), preview)] }));
  });
}

/** What firewalls could be told, with what else it would stop. */
export function proposals({ items = [], omitted = {} }, one, refresh) {
  const act = (name, proposal) => async () => {
    await ask(
      "POST", `/v1/incidents/${part(one.id)}/proposals/${part(proposal.id)}/${name}`, { revision: one.revision }
    );
    toast(t("saved"));
    await refresh();
  };
  const why = Object.values(omitted), left = [...new Set(why)].map((reason) =>
    h(
      "p", { class: "small quiet" }, t("mitigation.left", { n: why.filter((one) => one === reason).length }), " ",
      word("omitted", reason)
    ));
  if (!items.length) return [none(t("mitigation.none")), left];
  return [table(t("mitigation"), [
    { title: t("kind"), kind: "fit", cell: (item) => word("mitigation", item.kind) },
    { title: t("source"), cell: (item) => item.source || "–" }, {
      title: t("destination"), cell: (item) => item.destination || "–"
    },
    {
      title: t("collateral"), kind: "figure",
      cell: (item) => (item.collateral === undefined ? "–" : `${number(item.collateral * 100, 1)} %`)
    },
    {
      title: t("state"), kind: "fit",
      cell: (item) => (
        item.accepted && !item.accepted.withdrawnAt ? [
          badge(t("accepted"), "good"), " ", exactly(item.accepted.expiresAt)
        ] : "–"
      )
    },
    { title: t("act"), hidden: true, kind: "fit", cell: (item) => (item.accepted && !item.accepted.withdrawnAt
      ? button(
        t("withdraw"), () => confirm(t("withdraw"), t("withdraw.text"), act("withdraw", item))
      ) : button(t("accept"), () => confirm(t("accept"), t("accept.text"), act("accept", item)))) },
  ], items), left];
}
