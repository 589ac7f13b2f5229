/**
 * Shows what the apps keep. The address says what: nothing for a list of everything, `?table=NAME`, `?bucket=NAME`,
 * `?bucket=NAME&object=KEY`, `?queue=NAME`, `?stream=NAME`, or `?workgroup=NAME`, with the choices of the page.
 */

import { byId, poll, reconcile, refusal, Refused, repeat, showState, UNREACHABLE } from "./shared/board.js";
import { fill, part } from "./shared/page.js";

const PAUSE = 3000;

/**
 * @typedef {{name: string, type: string, text: string}} Field
 * @typedef {{id: string, title: string, note?: string, at?: number, preview: string, fields: Field[]}} Entry
 * @typedef {{kind: string, name: string, id: string, note: string}} Resource
 * @typedef {{name: string, keys: {name: string, type: string}[]}} Index
 * @typedef {{name: string, count: number, indexes: Index[], entries: Entry[], cursor: ?string, stream: ?string}} Table
 * @typedef {{name: string, prefix: string, folders: string[], objects: {key: string, size: string, at: number}[],
 *   cursor: ?string}} Folder
 * @typedef {{name: string, key: string, fields: Field[], shows: "picture" | "text" | "nothing", text: string,
 *   rest?: string}} StoredObject
 * @typedef {{name: string, counts: Record<string, number>, entries: Entry[]}} Queue
 * @typedef {{name: string, shards: {id: string, complete: boolean, entries: Entry[]}[]}} Stream
 * @typedef {{name: string, limit: ?string,
 *   databases: {name: string, tables: {name: string, columns: string[]}[]}[]}} Workgroup
 * @typedef {{id: string, sql: string, database: string, running: boolean, error: ?string, read: string, ms: number,
 *   columns: {name: string, type: string}[], rows: (?string)[][], cursor: ?string}} Query
 */

const given = new URLSearchParams(location.search);
const KINDS = ["object", "table", "bucket", "queue", "stream", "workgroup"];
const kind = KINDS.find((each) => given.get(each)) ?? "overview";
const view = byId("view");

// Links

/** Returns the address of this page with *choices*, without those that are empty. */
function address(choices) {
  const chosen = Object.entries(choices).filter(([, value]) => value);
  return chosen.length ? `data.html?${new URLSearchParams(chosen)}` : "data.html";
}

function link(text, href) {
  const element = document.createElement("a");
  Object.assign(element, { textContent: text, href });
  return element;
}

/** Shows links of text and address in *box*. @param {[string, string][]} links */
function showLinks(box, links) {
  reconcile(box, links, (each) => each.join(" "), ([text, href]) => link(text, href));
}

/** Shows the heading, and above it the places that lead to it. @param {[string, string][]} places */
function head(title, lead, places) {
  document.title = kind === "overview" ? "Data · Sandbox" : `${title} · Data · Sandbox`;
  byId("title").textContent = title;
  byId("lead").textContent = lead;
  showLinks(byId("place"), places);
}

const ALL = ["All data", "data.html"];

/** Shows the links to the first and to the next page of a list. */
function pages(box, cursor) {
  const { cursor: _, ...rest } = Object.fromEntries(given);
  const links = given.get("cursor") ? [["First page", address(rest)]] : [];
  if (cursor) links.push(["Next page", address({ ...rest, cursor })]);
  showLinks(box, links);
}

function putTime(element, seconds) {
  if (seconds === undefined) return;
  const moment = new Date(seconds * 1000);
  element.dateTime = moment.toISOString();
  element.textContent = moment.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

// Entries: items, messages and records

/** @param {Element} root @param {Entry[]} entries */
function showEntries(root, entries) {
  part(root, "none").hidden = entries.length > 0;
  part(root, "entries").hidden = entries.length === 0;
  reconcile(part(root, "entries"), entries, ({ id }) => id, entryItem, updateEntry);
}

/** @param {Entry} entry */
function entryItem({ at }) {
  const item = fill("entry");
  putTime(part(item, "time"), at);
  return item;
}

/** @param {HTMLElement} item @param {Entry} entry */
function updateEntry(item, { title, note, preview, fields }) {
  part(item, "title").textContent = title;
  part(item, "note").textContent = note ?? "";
  part(item, "preview").textContent = preview;
  const details = item.querySelector("details");
  details.ontoggle = () => details.open && showFields(part(item, "fields"), fields); // most entries are never opened
  if (details.open) showFields(part(item, "fields"), fields);
}

/** @param {HTMLElement} list @param {Field[]} fields */
function showFields(list, fields) {
  reconcile(list, fields, ({ name, type }) => `${name} ${type}`, fieldItem, updateField);
}

/** @param {Field} field */
function fieldItem({ name, type }) {
  const item = fill("field");
  part(item, "name").textContent = name;
  part(item, "type").textContent = type;
  return item;
}

/** @param {HTMLElement} item @param {Field} field */
function updateField(item, { text }) {
  if (part(item, "text").textContent !== text) part(item, "text").textContent = text;
}

// Everything

/** @param {{app: string, resources: Resource[]}[]} apps */
function overview(apps) {
  head("Data", apps.length ? "What the apps keep. Reading it here changes nothing." : "No app is deployed.", []);
  reconcile(part(view, "apps"), apps, ({ app }) => app, appCard, (card, { resources }) => {
    part(card, "none").hidden = resources.length > 0;
    reconcile(part(card, "resources"), resources, ({ kind, id }) => `${kind} ${id}`, resourceItem, (item, { note }) => {
      part(item, "note").textContent = note;
    });
  });
}

/** Returns the card of an app, to which `data.html#APP` leads. */
function appCard({ app }) {
  const card = fill("app");
  card.id = app;
  part(card, "name").textContent = app;
  return card;
}

/** @param {Resource} resource */
function resourceItem({ kind: of, name, id }) {
  const item = fill("resource");
  part(item, "link").href = address({ [of]: id });
  part(item, "kind").textContent = of;
  part(item, "name").textContent = name;
  return item;
}

// A table

/** @param {Table} found */
function table({ name, count, indexes, entries, cursor, stream }) {
  head(name, `About ${count.toLocaleString("en")} ${count === 1 ? "item" : "items"}.`, stream ? [ALL, ["Its stream", address({ stream })]] : [ALL]);
  const form = part(view, "form");
  if (!form.index.length) offer(form, name, indexes);
  showEntries(view, entries);
  pages(part(view, "pages"), cursor);
}

/** Fills the form with the choices in the address. @param {HTMLFormElement} form @param {Index[]} indexes */
function offer(form, name, indexes) {
  form.index.append(...indexes.map((each) => new Option(each.name || name, each.name)));
  for (const choice of ["index", "key", "sort"]) form[choice].value = given.get(choice) ?? "";
  form.condition.value = given.get("condition") ?? "equals";
  const label = () => {
    const [key, sort] = indexes.find((each) => each.name === form.index.value).keys;
    part(form, "key").textContent = `${key.name} (${key.type})`;
    part(form, "sort").textContent = sort ? `${sort.name} (${sort.type})` : "";
    for (const each of ["condition", "sort-label"]) part(form, each).hidden = !sort;
    if (!sort) form.sort.value = "";
  };
  form.index.addEventListener("change", label);
  label();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { index, key, sort, condition } = Object.fromEntries(new FormData(form));
    location.assign(address({ table: name, index, key, ...(sort ? { condition, sort } : {}) }));
  });
}

// A bucket

/** @param {Folder} found */
function bucket({ name, prefix, folders, objects, cursor }) {
  const at = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  head(prefix || name, prefix ? `In the bucket ${name}.` : "A bucket.", placesOf(name, at));
  const form = part(view, "form");
  if (!form.onsubmit) {
    form.prefix.value = prefix;
    form.onsubmit = (event) => {
      event.preventDefault();
      location.assign(address({ bucket: name, prefix: form.prefix.value }));
    };
  }
  const keys = [...folders.map((key) => ({ key })), ...objects];
  part(view, "none").hidden = keys.length > 0;
  part(view, "entries").hidden = keys.length === 0;
  reconcile(part(view, "entries"), keys, (each) => JSON.stringify(each), (each) => keyItem(name, at, each));
  pages(part(view, "pages"), cursor);
}

/** Returns the places above a folder or an object: all data, the bucket, its folders. */
function placesOf(name, key) {
  const folders = key.split("/").slice(0, -1);
  const prefixes = folders.map((folder, index) => [`${folder}/`, address({ bucket: name, prefix: `${folders.slice(0, index + 1).join("/")}/` })]);
  return [ALL, [name, address({ bucket: name })], ...prefixes];
}

function keyItem(name, at, { key, size, at: changed }) {
  const item = fill("key");
  const isFolder = size === undefined;
  part(item, "link").href = address(isFolder ? { bucket: name, prefix: key } : { bucket: name, object: key });
  part(item, "name").textContent = key.slice(at.length) || key;
  part(item, "size").textContent = isFolder ? "folder" : size;
  putTime(part(item, "time"), changed);
  return item;
}

/** @param {StoredObject} found */
function object({ name, key, fields, shows, text, rest }) {
  const query = new URLSearchParams({ bucket: name, object: key });
  head(key.slice(key.lastIndexOf("/", key.length - 2) + 1), `An object of the bucket ${name}.`, placesOf(name, key));
  part(view, "download").href = `data/download?${query}`;
  showFields(part(view, "fields"), fields);
  const picture = part(view, "picture");
  picture.hidden = shows !== "picture";
  if (shows === "picture") Object.assign(picture, { src: `data/picture?${query}`, alt: key });
  part(view, "shown").hidden = shows !== "text";
  part(view, "shown").textContent = shows === "text" ? text : "";
  part(view, "rest").textContent = (shows === "nothing" ? text : rest) ?? "";
}

// A queue, a stream

/** @param {Queue} found */
function queue({ name, counts, entries }) {
  const words = Object.entries(counts).map(([state, count]) => `${count.toLocaleString("en")} ${state}`);
  const shown = Object.values(counts).reduce((sum, count) => sum + count, 0) > entries.length ? ` The newest ${entries.length} are below.` : "";
  head(name, `Messages: ${words.join(", ")}.${shown} Reading them here takes none out of the queue.`, [ALL]);
  showEntries(view, entries);
}

/** @param {Stream} found */
function stream({ name, shards }) {
  head(name, "The newest records of each shard.", [ALL]);
  reconcile(part(view, "shards"), shards, ({ id }) => id, () => fill("shard"), (section, { id, complete, entries }) => {
    part(section, "name").textContent = id;
    part(section, "incomplete").hidden = complete;
    showEntries(section, entries);
  });
}

// Athena

/** @param {Workgroup} found */
function workgroup({ name, limit, databases }) {
  head(name, limit ? `A query may read up to ${limit}: that is the limit of this workgroup of Athena.` : "A workgroup of Athena without a limit.", [ALL]);
  const form = part(view, "form");
  if (!form.database.length) {
    form.database.append(...databases.map((each) => new Option(each.name)));
    if (given.has("database")) form.database.value = given.get("database");
    form.sql.value = given.get("sql") ?? "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form, name);
    });
  }
  const tables = databases.flatMap(({ name: database, tables: own }) => own.map((each) => ({ database, ...each })));
  reconcile(part(view, "tables"), tables, (each) => JSON.stringify(each), (each) => tableItem(name, each));
}

function tableItem(name, { database, name: table, columns }) {
  const item = fill("field");
  const sql = `SELECT *\nFROM "${table}"\nLIMIT 10`;
  part(item, "name").append(link(table, address({ workgroup: name, database, sql })));
  part(item, "type").textContent = database;
  part(item, "text").textContent = columns.join(", ");
  return item;
}

async function run(form, name) {
  const { database, sql } = Object.fromEntries(new FormData(form));
  const body = JSON.stringify({ workgroup: name, database, sql });
  try {
    const answer = await fetch("data/queries", { method: "POST", body });
    if (!answer.ok) throw await refusal("data/queries", answer);
    location.assign(address({ workgroup: name, query: (await answer.json()).id }));
  } catch (error) {
    tell(part(form, "error"), error instanceof Refused ? error.message : "The sandbox does not answer. Try again.");
  }
}

let running = false;

/** @param {Query} found */
function query({ sql, database, running: runs, error, read, ms, columns, rows, cursor }) {
  running = runs;
  const form = part(view, "form");
  if (!form.sql.value) {
    form.sql.value = sql;
    form.database.value = database;
  }
  tell(part(form, "error"), error);
  part(view, "said").textContent = runs ? "The query runs." : `Read ${read} in ${(ms / 1000).toFixed(1)} s.`;
  part(view, "result").hidden = !columns.length;
  part(view, "columns").replaceChildren(...columns.map(({ name, type }) => cell("th", name, type)));
  part(view, "rows").replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    line.append(...row.map((value) => cell("td", value ?? "null")));
    return line;
  }));
  pages(part(view, "pages"), cursor);
}

function cell(tag, text, type) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (tag === "th") element.scope = "col";
  if (type) {
    const small = document.createElement("span");
    Object.assign(small, { className: "of", textContent: type });
    element.append(small);
  }
  return element;
}

// Polling

const SHOW = { overview, table, bucket, object, queue, stream, workgroup };
let shown = false;

/** Says in *element* why something cannot be shown, or hides it without a *problem*. */
function tell(element, problem) {
  element.hidden = !problem;
  element.textContent = problem ?? "";
}

function show(found) {
  if (!shown) view.append(fill(kind));
  shown = true;
  SHOW[kind](found);
}

async function refresh() {
  try {
    await poll(kind === "overview" ? "data.json" : `data/${kind}.json${location.search}`, show, { milliseconds: 20_000 });
    if (given.get("query")) await poll(`data/query.json${location.search}`, query, { milliseconds: 20_000 });
    tell(byId("problem"), "");
  } catch (error) {
    if (!(error instanceof Refused)) return showState(UNREACHABLE);
    tell(byId("problem"), error.message);
    if (!shown) showLinks(byId("place"), [ALL]);
  }
  byId("main").hidden = false; // not before there is something to show: nothing on the page moves
  showState("Live");
}

await refresh();
if (location.hash) byId(location.hash.slice(1))?.scrollIntoView();
while (running) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  await refresh();
}
repeat(refresh, PAUSE);
