/** Shows event_sources.json: queues with failures, event source mappings and asynchronous invocations. Reads it often. */

import { byId, poll, reconcile, repeat, showState, UNREACHABLE } from "./shared/board.js";
import { fill, part } from "./shared/page.js";

const PAUSE = 3000;
/** By the kind of a source how the address of the page of data names it. */
const DATA = { sqs: "queue", kinesis: "stream", dynamodb: "table" };
const STATES = { failed: "Failed", retrying: "Retrying", returned: "Returned", recovered: "Recovered", succeeded: "Succeeded" };

/**
 * @typedef {{type: string, message: string, trace: string[]}} Failure
 * @typedef {{id: string, at: number, kind: string, function: string, attempts: number | null,
 *   reason: string, request: string, told: string, error: Failure | null, again: "invoke" | "move" | null, advice: string,
 *   body: string}} Message
 * @typedef {{name: string, feeds: string[], count: number, moves: boolean, messages: Message[]}} Queue
 * @typedef {{at: number, attempt: string, records: string, from: string, to: string, age: string, took: string,
 *   error: Failure | null, what: string, event: string, function: string, request: string}} Step
 * @typedef {{id: string, at: number, size: string, state: string, attempt: string, error: Failure | null,
 *   omitted: number, steps: Step[]}} Batch
 * @typedef {{id: string, name: string, kind: string, function: string, settings: string, state: string,
 *   states: Record<string, number>, batches: Batch[]}} Source
 */

const inWords = (error) => (error ? [error.type, error.message].filter(Boolean).join(": ") : "");
const traceback = (error) => [...error.trace, inWords(error)].map((line) => line.trimEnd()).join("\n");

function putTime(element, seconds) {
  const moment = new Date(seconds * 1000);
  element.dateTime = moment.toISOString();
  element.textContent = moment.toLocaleTimeString("en-GB");
}

/** Lets the link in *item* lead to the trace of an invocation, or hides it without one. */
function showTraceLink(item, called, request) {
  part(item, "traced").hidden = !request;
  part(item, "invocation").href = `invocations/${encodeURIComponent(called)}/${encodeURIComponent(request)}/trace`;
}

/** Shows *text* in *element*, or hides it without one. */
function put(element, text) {
  element.hidden = !text;
  if (element.textContent !== text) element.textContent = text;
}

// Failures

/** @param {Queue[]} queues */
function showQueues(queues) {
  const full = queues.filter(({ count }) => count > 0);
  const empty = queues.filter(({ count }) => count === 0).map(({ name }) => name);
  byId("failure-count").textContent = full.reduce((sum, { count }) => sum + count, 0) || "";
  byId("no-failures").hidden = full.length > 0;
  put(byId("empty-queues"), empty.length ? `Empty: ${empty.join(", ")}.` : "");
  reconcile(byId("queue-list"), full, ({ name }) => name, queueCard, updateQueue);
}

/** @param {Queue} queue */
function queueCard({ name }) {
  const card = fill("queue");
  part(card, "name").textContent = name;
  part(card, "name").href = `data.html?${new URLSearchParams({ queue: name })}`;
  const button = part(card, "move");
  button.ariaLabel = `Send all again: the messages of ${name}`;
  button.addEventListener("click", () => send(button, part(card, "error"), `queues/${encodeURIComponent(name)}/again`));
  return card;
}

/** @param {HTMLElement} card @param {Queue} queue */
function updateQueue(card, { name, feeds, count, moves, messages }) {
  const more = count > messages.length ? `, the newest ${messages.length} are below` : "";
  part(card, "feeds").textContent = `${count} ${count === 1 ? "message" : "messages"}${more}. ${sentence(feeds.join(", "))}`;
  part(card, "move").hidden = !moves;
  const item = (message) => messageItem(name, message);
  reconcile(part(card, "messages"), messages, ({ id }) => id, item);
}

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "No event source mapping reads it.");

/** @param {string} queue @param {Message} message */
function messageItem(queue, message) {
  const item = fill("message");
  const { id, at, reason, told, error, attempts, again, advice, body } = message;
  const address = `queues/${encodeURIComponent(queue)}/messages/${encodeURIComponent(id)}`;
  part(item, "function").textContent = message.function || "No function";
  part(item, "attempts").textContent = attempts === null ? "" : `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
  part(item, "why").textContent = inWords(error) || reason;
  putTime(part(item, "time"), at);
  part(item, "reason").textContent = `${told} ${reason} Now in ${queue}.`;
  put(part(item, "trace"), error?.trace.length ? traceback(error) : "");
  part(item, "body").textContent = body;
  showTraceLink(item, message.function, message.request);
  part(item, "advice").textContent = advice;
  const button = part(item, "again");
  button.hidden = again !== "invoke";
  button.addEventListener("click", () => send(button, part(item, "error"), `${address}/again`));
  item.querySelector("details").addEventListener("toggle", ({ target }) => {
    if (target.open && !part(item, "records").textContent) showRecords(part(item, "records"), `${address}/records.json`);
  });
  return item;
}

async function showRecords(box, address) {
  box.textContent = "Reading…";
  const answer = await fetch(address, { cache: "no-store" }).catch(() => null);
  const said = await answer?.json().catch(() => null);
  if (!answer?.ok) box.textContent = said?.message ?? "The sandbox does not answer. Close this and open it again.";
  else box.textContent = said.map((record) => (typeof record === "string" ? record : JSON.stringify(record, null, 2))).join("\n\n");
}

/** Posts to *address*; tells in *problem* why that failed. */
async function send(button, problem, address) {
  button.disabled = true;
  put(problem, "");
  const answer = await fetch(address, { method: "POST" }).catch(() => null);
  const said = await answer?.json().catch(() => null);
  button.disabled = false;
  if (answer?.ok) byId("said").textContent = "Sent again.";
  else put(problem, said?.message ?? "The sandbox does not answer. Try again.");
  await refresh();
}

// Event sources

/** @param {string} list @param {Source[]} sources */
function showSources(list, sources) {
  byId(`no-${list}s`).hidden = sources.length > 0;
  reconcile(byId(`${list}-list`), sources, ({ id }) => id, sourceCard, updateSource);
}

/** @param {Source} source */
function sourceCard({ name, kind, function: called, settings }) {
  const card = fill("source");
  part(card, "name").textContent = name;
  if (kind in DATA) part(card, "name").href = `data.html?${new URLSearchParams({ [DATA[kind]]: name })}`;
  part(card, "function").textContent = called;
  put(part(card, "settings"), settings);
  return card;
}

/** @param {HTMLElement} card @param {Source} source */
function updateSource(card, { states, state, batches }) {
  const counts = Object.keys(STATES).filter((each) => states[each]).map((each) => `${states[each]} ${STATES[each].toLowerCase()}`);
  const paused = state === "Enabled" ? [] : [state];
  part(card, "counts").textContent = [...paused, ...counts].join(", ") || "No batches yet";
  const shown = batches.filter((batch) => byId("all").checked || batch.state !== "succeeded");
  part(card, "batches").hidden = !shown.length;
  reconcile(part(card, "batches"), shown, ({ id }) => id, () => fill("batch"), updateBatch);
}

/** @param {HTMLElement} item @param {Batch} batch */
function updateBatch(item, { at, size, state, attempt, error, omitted, steps }) {
  part(item, "state").textContent = STATES[state];
  part(item, "state").className = `badge ${state}`;
  part(item, "size").textContent = size;
  part(item, "attempt").textContent = attempt;
  part(item, "why").textContent = inWords(error);
  putTime(part(item, "time"), at);
  const before = omitted ? steps.length / 2 : -1; // the steps in the middle are not kept
  const numbered = steps.map((step, index) => ({ ...step, index, omitted: index === before ? omitted : 0 }));
  reconcile(part(item, "steps"), numbered, ({ index, at: moment }) => `${index} ${moment}`, stepItem, updateStep);
}

function stepItem(step) {
  const item = fill("step");
  putTime(part(item, "time"), step.at);
  part(item, "attempt").textContent = step.attempt;
  const which = step.from === step.to ? step.from : `${step.from} to ${step.to}`;
  part(item, "records").textContent = [`${step.records} (${which})`, step.age, step.took].filter(Boolean).join(", ");
  put(part(item, "why"), inWords(step.error));
  part(item, "more").hidden = !step.error?.trace.length;
  part(item, "trace").textContent = step.error ? traceback(step.error) : "";
  showTraceLink(item, step.function, step.request);
  part(item, "given").hidden = !step.event;
  part(item, "event").textContent = step.event;
  return item;
}

function updateStep(item, { what, omitted }) {
  put(part(item, "what"), omitted ? `${what} (${omitted} attempts before this one are not kept.)` : what);
}

// Polling

let latest;

function show() {
  showQueues(latest.queues);
  showSources("source", latest.sources);
  showSources("invocation", latest.invocations);
}

function update(found) {
  latest = found;
  show();
}

async function refresh() {
  try {
    await poll("event_sources.json", update, { milliseconds: 20_000 });
    byId("main").hidden = false;
    showState("Live");
  } catch {
    showState(UNREACHABLE);
  }
}

byId("all").addEventListener("change", show);
await refresh();
if (location.hash) byId(location.hash.slice(1))?.scrollIntoView();
repeat(refresh, PAUSE);
