/** The traces: a list that can be searched, and with `#trace=ID` in the address the waterfall of one. */

import { byId, reconcile, repeat, showState, UNREACHABLE } from "./shared/board.js";
import { fill, part } from "./shared/page.js";

const PAUSE = 2000;
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };

/**
 * @typedef {{id: string, time: number, entry: string, what: string, status: ?number, problem: string,
 *   running: boolean, ms: number, services: number}} Summary
 * @typedef {{id: string, depth: number, kind: string, name: string, what: string, from: number, length: number,
 *   ms: number, status: ?number, problem: string, running: boolean, failure: string, facts: string[], links: string[],
 *   raw: string}} Row
 * @typedef {{id: string, title: string, entry: string, user: string, time: number, ms: number, complete: boolean,
 *   rows: Row[]}} Trace
 */

const inAddress = () => new URLSearchParams(location.hash.slice(1)).get("trace");
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB", TIME);

function duration(ms) {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function outcome({ status, problem, running }) {
  if (running) return "running";
  return `${status ?? (problem === "fault" ? "failed" : problem || "ok")}`;
}

function mark(element, { problem }) {
  element.classList.toggle("is-error", problem === "error");
  element.classList.toggle("is-fault", problem === "fault");
}

// The list

/** @param {Summary[]} traces */
function showTraces(traces) {
  byId("no-traces").hidden = traces.length > 0;
  reconcile(byId("traces"), traces, ({ id }) => id, traceItem, updateTrace);
}

/** @param {Summary} trace */
function traceItem({ id, time }) {
  const item = fill("trace");
  part(item, "link").href = `#trace=${id}`;
  part(item, "time").textContent = clock(time);
  part(item, "time").dateTime = new Date(time * 1000).toISOString();
  return item;
}

/** @param {HTMLElement} item @param {Summary} trace */
function updateTrace(item, trace) {
  part(item, "what").textContent = trace.what || trace.entry;
  part(item, "entry").textContent = `${trace.what ? `${trace.entry}, ` : ""}${trace.services} ${trace.services === 1 ? "hop" : "hops"}`;
  part(item, "status").textContent = outcome(trace);
  part(item, "ms").textContent = duration(trace.ms);
  mark(item, trace);
}

// One trace

/** @param {?Trace} trace */
function showTrace(trace) {
  byId("one-id").textContent = chosen;
  byId("one-title").textContent = trace ? trace.title : "This trace is not kept";
  byId("one-lead").textContent = trace
    ? [trace.title === trace.entry ? "" : trace.entry, clock(trace.time), duration(trace.ms), trace.user].filter(Boolean).join(" · ")
    : "The sandbox keeps the newest traces only, and none of an earlier start.";
  byId("incomplete").hidden = !trace || trace.complete;
  byId("rows").hidden = !trace;
  reconcile(byId("rows"), trace?.rows ?? [], ({ id }) => id, () => fill("row"), updateRow);
}

/** @param {HTMLElement} item @param {Row} row */
function updateRow(item, row) {
  part(item, "name").textContent = row.name;
  part(item, "what").textContent = row.what;
  part(item, "facts").textContent = row.facts.join(", ");
  part(item, "status").textContent = outcome(row);
  part(item, "ms").textContent = duration(row.ms);
  part(item, "failure").textContent = row.failure;
  part(item, "raw").textContent = row.raw;
  if (part(item, "links").childElementCount !== row.links.length) {
    part(item, "links").replaceChildren(...row.links.map(linkTo));
  }
  for (const name of ["depth", "from", "length"]) item.style.setProperty(`--${name}`, row[name]);
  item.classList.add(`is-${row.kind}`);
  mark(item, row);
}

function linkTo(id) {
  const link = document.createElement("a");
  link.href = `#trace=${id}`;
  link.textContent = `Also in the trace ${id}`;
  return link;
}

// Polling

let chosen = inAddress();
let shown = "";

function address() {
  if (chosen) return `traces/${encodeURIComponent(chosen)}.json`;
  return `traces.json?${new URLSearchParams(new FormData(byId("search")))}`;
}

async function refresh() {
  const path = address();
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
    const text = await answer.text();
    if (path !== address()) return; // the user has chosen something else meanwhile
    showState("Live");
    if (shown === path + text) return;
    (chosen ? showTrace : showTraces)(JSON.parse(text));
    byId("list").hidden = Boolean(chosen); // not before there is something to show: nothing on the page moves
    byId("one").hidden = !chosen;
    shown = path + text;
  } catch {
    showState(UNREACHABLE);
  }
}

byId("search").addEventListener("input", refresh);
byId("search").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", async () => {
  if (location.hash === "#main") return; // the link that skips the bar
  chosen = inAddress();
  await refresh();
  byId(chosen ? "one-title" : "main").focus({ preventScroll: true });
  window.scrollTo(0, 0);
});

await refresh();
repeat(refresh, PAUSE);
