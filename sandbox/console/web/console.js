/** The console: reads the sandbox's JSON every two seconds, and changes only what differs. */

import { byId, forgetAnswers, poll, reconcile, showState, UNREACHABLE } from "./shared/board.js";
import { money } from "./shared/money.js";
import { fill, part } from "./shared/page.js";

const PAUSE = 2000;
const MAILS = 100;
const LINES = 2000;
const TIME_OF_LINE = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
const OVERLAP = 10_000; // milliseconds: a line may come later than a newer one of another function
const PAGES = new Set(["web", "site", "dashboard", "cdn"]);
const TRACEBACK = "Traceback (most recent call last):";
const PLATFORM_LINE = /^(START|END|REPORT|INIT_START|XRAY) /;

/**
 * @typedef {{name: string, problem: string, title: string, about: string, page: string, try_now: string, command: string,
 *   addresses: Record<string, string>, sign_ins: string[], password: string}} App
 * @typedef {{state: string, calls: number, failed: number}} State
 * @typedef {{time: string, function: string, text: string, trace: string}} Line
 * @typedef {{payment_intent: string, created: number, amount: number, amount_refunded: number, currency: string,
 *   description: ?string, paid: boolean, refunded: boolean, disputed: boolean, trace: string}} Charge
 * @typedef {{cache: string, name: string, hits: number, misses: number}} Cache
 */

/** Makes *button* copy *text*. */
function addCopy(button, text, what) {
  const verb = button.textContent;
  button.ariaLabel = `Copy ${what}`;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    byId("said").textContent = `Copied ${what}.`;
    setTimeout(() => {
      button.textContent = verb;
      byId("said").textContent = "";
    }, 2000);
  });
}

// Systems

let apps = /** @type {App[]} */ ([]);
let states = /** @type {Record<string, State>} */ ({});

/** @param {App[]} found */
function showApps(found) {
  apps = found;
  byId("no-apps").hidden = apps.length > 0;
  showCards();
  reconcile(byId("log-apps"), apps, (app) => app.name, logChoice);
  if (!chosenApp() && apps.length) byId("log-apps").querySelector("input").checked = true;
}

/** @param {Record<string, State>} found */
function showStates(found) {
  states = found;
  showCards();
}

function showCards() {
  reconcile(byId("app-list"), apps, (app) => JSON.stringify(app), appCard, updateCard);
}

/** @param {App} app */
function appCard({ name, problem, title, about, page, try_now: tryNow, command, addresses, sign_ins: people, password }) {
  const card = fill("app");
  const routes = addresses.api ? `api.html?app=${encodeURIComponent(name)}` : "";
  const site = Object.entries(addresses).find(([key]) => PAGES.has(key))?.[1];
  Object.assign(part(card, "title"), { textContent: title, href: page || site || routes });
  if (site && !page) Object.assign(part(card, "title"), { target: "_blank", rel: "noopener" });
  part(card, "name").textContent = name;
  part(card, "data").href = `data.html#${name}`;
  part(card, "problem").hidden = !problem;
  part(card, "problem-text").textContent = problem;
  part(card, "about").textContent = about;
  part(card, "try").hidden = !tryNow;
  part(card, "try-now").textContent = tryNow;
  part(card, "command-line").hidden = !command;
  part(card, "command").textContent = command;
  addCopy(part(card, "copy"), command, "the command");
  part(card, "addresses").append(...Object.entries(addresses).sort(pagesFirst).map(([key, url]) => address(name, key, url)));
  part(card, "sign-ins").hidden = !people.length;
  part(card, "people").append(
    ...people.map((person) => value("Email", person)),
    ...(people.length ? [value("Password", password)] : []),
  );
  return card;
}

/** @param {HTMLElement} card @param {App} app */
function updateCard(card, { name }) {
  const { state = "", calls = 0, failed = 0 } = states[name] ?? {};
  part(card, "state").textContent = state;
  part(card, "state").classList.toggle("is-error", state === "Last deployment failed");
  const ran = `${calls.toLocaleString("en-GB")} ${calls === 1 ? "call" : "calls"} of its functions in the last hour`;
  part(card, "activity").textContent = state ? ` · ${ran}${failed ? `, ${failed.toLocaleString("en-GB")} failed` : ""}` : "";
}

/** Sorts addresses: the API comes last, because it is for programs. */
function pagesFirst([a], [b]) {
  return (a === "api") - (b === "api");
}

/** Returns a row for an address. An API has a page of its routes; what has no page at its root is no link. */
function address(app, key, url) {
  if (key !== "api" && !PAGES.has(key)) return value(key, url);
  const row = fill("address");
  part(row, "key").textContent = key;
  part(row, "link").textContent = url.replace(/^https?:\/\//, "");
  part(row, "link").href = key === "api" ? `api.html?app=${encodeURIComponent(app)}` : url;
  addCopy(part(row, "copy"), url, `the address of ${key}`);
  return row;
}

function value(key, text) {
  const row = fill("value");
  part(row, "key").textContent = key;
  part(row, "text").textContent = text;
  addCopy(part(row, "copy"), text, text);
  return row;
}

// Mailbox

function showMails(mails) {
  byId("mail-count").textContent = mails.length || "";
  byId("no-mails").hidden = mails.length > 0;
  byId("mail-list").hidden = mails.length === 0;
  reconcile(byId("mail-list"), mails.slice(0, MAILS), (mail) => mail.MessageId, mailItem);
}

/** Returns an element for an email of the emulator. An email made from a template has other names for its texts. */
function mailItem(mail) {
  const item = fill("mail");
  const text = mail.BodyText || mail.RenderedBodyText || "";
  const html = mail.BodyHtml || mail.RenderedBodyHtml || "";
  part(item, "subject").textContent = mail.Subject || mail.RenderedSubject || "(no subject)";
  part(item, "to").textContent = [mail.To, mail.CC, mail.BCC].flat().filter(Boolean).join(", ");
  part(item, "from").textContent = mail.Source;
  part(item, "text").replaceChildren(...linked(text));
  part(item, "text").hidden = !text;
  showTraceLink(part(item, "trace"), mail.Trace);
  part(item, "html").hidden = !html;
  part(item, "source").textContent = html;
  const moment = new Date(mail.Timestamp * 1000);
  part(item, "time").dateTime = moment.toISOString();
  part(item, "time").textContent = timeInWords(moment);
  const code = text.match(/\b\d{6}\b/)?.[0];
  if (code) {
    part(item, "code").textContent = code;
    addCopy(part(item, "copy"), code, `the code ${code}`);
  } else {
    part(item, "code-line").remove();
  }
  return item;
}

/** Lets *link* lead to a trace, or hides it without one. */
function showTraceLink(link, trace) {
  link.hidden = !trace;
  if (trace) link.href = `traces.html#trace=${trace}`;
}

/** Returns *text* as nodes, with its URLs as links. */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)])/).map((piece, index) => {
    if (index % 2 === 0) return document.createTextNode(piece);
    const link = document.createElement("a");
    Object.assign(link, { href: piece, textContent: piece, target: "_blank", rel: "noopener" });
    return link;
  });
}

function timeInWords(moment) {
  const today = moment.toDateString() === new Date().toDateString();
  const day = today ? "" : moment.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) + " ";
  return day + moment.toLocaleTimeString("en-GB");
}

// Payments

/** @param {Charge[]} charges */
function showPayments(charges) {
  byId("no-payments").hidden = charges.length > 0;
  byId("payment-list").hidden = charges.length === 0;
  reconcile(byId("payment-list"), charges, (charge) => charge.id, paymentItem, updatePayment);
}

/** @param {Charge} charge */
function paymentItem({ payment_intent: payment, created, amount, currency, description }) {
  const item = fill("payment");
  const moment = new Date(created * 1000);
  part(item, "time").dateTime = moment.toISOString();
  part(item, "time").textContent = timeInWords(moment);
  part(item, "for").textContent = description ?? payment;
  part(item, "amount").textContent = money(amount, currency);
  const button = part(item, "refund");
  button.ariaLabel = `Refund ${description ?? payment}`;
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await fetch(`payments/${payment}/refund`, { method: "POST" }).catch(() => null);
    button.disabled = false;
    if (!answer?.ok) byId("said").textContent = button.textContent = "Refund failed, try again";
    await poll("payments.json", showPayments).catch(() => {}); // the next poll shows a failure
  });
  return item;
}

/** @param {HTMLElement} item @param {Charge} charge */
function updatePayment(item, { amount_refunded: back, currency, paid, refunded, disputed, trace }) {
  showTraceLink(part(item, "trace"), trace);
  const kept = back ? `${money(back, currency)} refunded` : "Paid";
  part(item, "state").textContent = !paid ? "Declined" : refunded ? "Refunded" : disputed ? "Disputed" : kept;
  part(item, "refund").hidden = !paid || refunded;
}

// Logs

const chosenApp = () => byId("log-apps").querySelector(":checked")?.value;
let since = 0;
const atTheEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
const seen = new Set();
const NO_LINES = byId("no-lines").textContent;
const NO_MATCH = "No line matches.";

function logChoice({ name }) {
  const choice = fill("log-app");
  choice.querySelector("input").value = name;
  choice.querySelector("span").textContent = name;
  return choice;
}

/**
 * Appends the new lines. *lines* are the most recent ones only, so older lines stay on the page.
 * @param {Line[]} lines
 */
function showLines(lines) {
  const box = byId("lines");
  const times = new Map();
  for (const line of lines) {
    const text = JSON.stringify(line);
    const nth = times.get(text) ?? 0; // tells equal lines apart
    times.set(text, nth + 1);
    const key = `${text}${nth}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const item = logLine(line);
    item.dataset.key = key;
    item.hidden = !isChosen(item);
    box.append(item);
    since = Math.max(since, Date.parse(line.time) - OVERLAP);
  }
  showFunctions();
  while (box.children.length > LINES) {
    seen.delete(box.firstElementChild.dataset.key);
    box.firstElementChild.remove();
  }
  follow();
}

function follow() {
  const box = byId("lines");
  const withPlatform = byId("platform").checked;
  const isShown = (line) => !line.hidden && (withPlatform || !line.classList.contains("is-platform"));
  byId("no-lines").hidden = [...box.children].some(isShown);
  if (byId("follow").checked) box.scrollTop = box.scrollHeight;
  byId("no-lines").textContent = [...box.children].some((line) => line.hidden) ? NO_MATCH : NO_LINES;
}

/** Adds the functions of the lines to the choice of one. */
function showFunctions() {
  const names = new Set([...byId("lines").children].map((item) => item.dataset.function));
  for (const option of byId("function").options) names.delete(option.value);
  for (const name of [...names].sort()) byId("function").add(new Option(name, name));
}

/** Returns whether the line is of the chosen function and level, and has the text. */
function isChosen(item) {
  const [name, text] = [byId("function").value, byId("text").value.trim().toLowerCase()];
  if (name && item.dataset.function !== name) return false;
  if (Number(item.dataset.level) < Number(byId("level").value)) return false;
  return !text || item.textContent.toLowerCase().includes(text);
}

function choose() {
  for (const item of byId("lines").children) item.hidden = !isChosen(item);
  follow();
}

function clearLines() {
  forgetAnswers();
  seen.clear();
  since = 0;
  byId("function").replaceChildren(new Option("All", ""));
  byId("lines").replaceChildren();
}

/** @param {Line} line */
function logLine(line) {
  const item = fill("line");
  const record = parsed(line.text);
  const error = /^(ERROR|CRITICAL)$/.test(record.level) || record.status >= 500;
  const put = (name, text) => (part(item, name).textContent = text ?? "");
  put("time", new Date(line.time).toLocaleTimeString("en-GB", TIME_OF_LINE));
  part(item, "time").dateTime = line.time;
  put("level", record.level);
  put("function", line.function);
  put("message", record.route ? `${record.method ?? ""} ${record.route}` : record.message);
  put("status", record.status);
  put("ms", record.ms === undefined ? "" : `${Math.round(record.ms)} ms`);
  put("raw", record.pretty ?? line.text);
  showTraceLink(part(item, "trace"), line.trace);
  const warning = !error && (record.level === "WARNING" || record.status >= 400);
  item.classList.toggle("is-error", error);
  item.classList.toggle("is-warning", warning);
  item.dataset.function = line.function;
  item.dataset.level = error ? 2 : Number(warning);
  item.classList.toggle("is-platform", PLATFORM_LINE.test(line.text));
  item.firstElementChild.addEventListener("toggle", ({ target }) => {
    if (!target.open) return;
    byId("follow").checked = false; // so that new lines do not move the opened line away
    item.scrollIntoView({ block: "nearest" });
  });
  return item;
}

/** Returns the fields of a JSON log line. The message of another line is the line, and of a traceback its error. */
function parsed(text) {
  try {
    const found = JSON.parse(text);
    if (found === null || typeof found !== "object" || Array.isArray(found)) return { message: text };
    const { exc_info: stack, ...record } = found;
    const said = typeof record.message === "string" ? record.message : JSON.stringify(record.message ?? record);
    const message = stack ? `${said}: ${lastLine(stack)}` : said;
    return { ...record, message, pretty: [JSON.stringify(record, null, 2), stack].filter(Boolean).join("\n\n") };
  } catch {
    return text.includes(TRACEBACK) ? { level: "ERROR", message: lastLine(text) } : { message: text };
  }
}

const lastLine = (text) => text.trimEnd().split("\n").at(-1);

// Caches

/** @param {Cache[]} caches */
function showCaches(caches) {
  byId("no-caches").hidden = caches.length > 0;
  byId("cache-table").hidden = caches.length === 0;
  reconcile(byId("cache-rows"), caches, ({ cache, name }) => `${cache} ${name}`, () => fill("cache"), updateCache);
}

/** @param {HTMLElement} row @param {Cache} cache */
function updateCache(row, { cache, name, hits, misses }) {
  const asked = hits + misses;
  const percent = asked ? `${Math.round((100 * hits) / asked)} %` : "–";
  part(row, "cache").textContent = cache;
  part(row, "name").textContent = name;
  part(row, "hits").textContent = hits.toLocaleString("en-GB");
  part(row, "misses").textContent = misses.toLocaleString("en-GB");
  part(row, "ratio").textContent = percent;
  part(row, "meter").value = asked ? hits / asked : 0;
  part(row, "meter").ariaLabel = `Hit ratio of ${cache}, ${name}`;
}

// Polling

function pollLines() {
  const app = chosenApp();
  if (!app) return null;
  const path = `logs.json?app=${encodeURIComponent(app)}&since=${since}`;
  return poll(path, (lines) => app === chosenApp() && showLines(lines), { key: "logs.json" });
}

async function refresh() {
  const outcomes = await Promise.allSettled([
    poll("apps.json", showApps).then(pollLines),
    poll("states.json", showStates),
    poll("mails.json", showMails),
    poll("payments.json", showPayments),
    poll("caches.json", showCaches),
  ]);
  const failed = outcomes.filter((outcome) => outcome.status === "rejected").length;
  showState(failed === 0 ? "Live" : failed === outcomes.length ? UNREACHABLE : "Partly reachable");
}

let wake = () => {};

async function run() {
  for (;;) {
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, PAUSE);
    });
    if (document.visibilityState === "visible") await refresh();
  }
}

document.addEventListener("visibilitychange", () => wake());
byId("log-apps").addEventListener("change", () => {
  clearLines();
  pollLines();
});
byId("platform").addEventListener("change", ({ target }) => {
  byId("lines").classList.toggle("with-platform", target.checked);
  follow();
});
byId("follow").addEventListener("change", follow);
for (const id of ["function", "level", "text"]) byId(id).addEventListener("input", choose);
byId("lines").addEventListener("scroll", () => (byId("follow").checked &&= atTheEnd(byId("lines"))));

await refresh();
byId("main").hidden = false; // all at once, so that nothing moves
follow(); // the box has a height only now
// The content above the target of the hash has grown while the page loaded.
if (location.hash) byId(location.hash.slice(1))?.scrollIntoView();
run();
