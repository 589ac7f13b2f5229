/** Draws the graph of services in graph.json. Reads it every five seconds while the page is visible. */

import { byId, poll, repeat, showState, UNREACHABLE } from "./shared/board.js";
import * as dagre from "./vendor/dagre-3.1.3.js";

const PAUSE = 5000;
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 168;
const HEIGHT = 46;
const TITLE = 24;
const MARGIN = 16;
const RIGHTS = new Set(["reads", "writes"]);

/**
 * @typedef {{id: string, app: string, kind: string, name: string, data: ?string, calls: number | null}} Node
 * @typedef {{source: string, target: string, how: string}} Edge
 */

let graph = { nodes: /** @type {Node[]} */ ([]), edges: /** @type {Edge[]} */ ([]) };

const chosen = () => document.querySelector("input[name=app]:checked")?.value ?? "";

/** Returns what to draw: the chosen app and the nodes of other apps connected to it, with one arrow for each pair. */
function selection() {
  const app = chosen();
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const arrows = new Map();
  for (const { source, target, how } of graph.edges) {
    if (!nodes.has(source) || !nodes.has(target)) continue;
    if (app && nodes.get(source).app !== app && nodes.get(target).app !== app) continue;
    if (RIGHTS.has(how) && !byId("rights").checked && nodes.get(source).app === nodes.get(target).app) continue;
    const key = `${source} ${target}`;
    const arrow = arrows.get(key) ?? { source, target, hows: [] };
    arrow.hows.push(how);
    arrows.set(key, arrow);
  }
  const ends = new Set([...arrows.values()].flatMap(({ source, target }) => [source, target]));
  return { nodes: [...ends].map((id) => nodes.get(id)), arrows: [...arrows.values()] };
}

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw() {
  const { nodes, arrows } = selection();
  const places = new Map();
  const boxes = new Map();
  let [width, height] = [0, MARGIN];
  for (const app of inOrder(nodes, arrows)) {
    const box = layOut(app, nodes, arrows, height, places);
    boxes.set(app, box);
    width = Math.max(width, box.width + 2 * MARGIN);
    height += box.height + 2 * MARGIN;
  }
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  picture.append(svg("defs", {}, arrowhead()), ...[...boxes.values()].map(appBox));
  const appOf = new Map(nodes.map(({ id, app }) => [id, app]));
  const across = arrows.filter(({ points }) => !points);
  for (const [n, arrow] of across.entries()) arrow.path = between(arrow, n, places, boxes.get(appOf.get(arrow.target)));
  picture.append(...arrows.map((arrow) => arrowLine(arrow, arrow.path ?? curve(arrow.points))));
  picture.append(...nodes.map((node) => nodeBox(node, places.get(node.id))));
  byId("graph").replaceChildren(graph.nodes.length ? picture : nothing());
  byId("list").replaceChildren(...arrows.map(sentence));
}

function nothing() {
  const text = document.createElement("p");
  Object.assign(text, { className: "empty", textContent: "No app is deployed in this account yet." });
  return text;
}

/** Returns the apps from top to bottom. Connected apps come first, so that the arrows between them are short. */
function inOrder(nodes, arrows) {
  const apps = new Map(nodes.map(({ id, app }) => [id, app]));
  const across = arrows.map(({ source, target }) => [apps.get(source), apps.get(target)]).filter(([a, b]) => a !== b);
  return [...new Set([...across.flat(), ...[...apps.values()].sort()])];
}

/** Places each node of an app below *top*, sets the points of each arrow inside the app, and returns the app's box. */
function layOut(app, nodes, arrows, top, places) {
  const layout = new dagre.graphlib.Graph();
  layout.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 56, marginx: 16, marginy: 16 });
  layout.setDefaultEdgeLabel(() => ({}));
  const own = new Set(nodes.filter((node) => node.app === app).map(({ id }) => id));
  const inside = arrows.filter(({ source, target }) => own.has(source) && own.has(target));
  for (const id of own) layout.setNode(id, { width: WIDTH, height: HEIGHT });
  for (const { source, target } of inside) layout.setEdge(source, target);
  dagre.layout(layout);
  const moved = ({ x, y }) => ({ x: x + MARGIN, y: y + top + TITLE });
  for (const id of own) places.set(id, moved(layout.node(id)));
  for (const arrow of inside) arrow.points = layout.edge(arrow.source, arrow.target).points.map(moved);
  const { width, height } = layout.graph();
  return { app, x: MARGIN, y: top, width, height: height + TITLE };
}

/**
 * Returns the path of an arrow between two apps. It avoids the nodes: it leaves its source on the right, runs between the
 * boxes, and reaches its target from the left.
 */
function between({ source, target }, number, places, box) {
  const from = places.get(source);
  const to = places.get(target);
  const aside = from.x + WIDTH / 2 + 10 + 5 * number;
  const above = box.y - MARGIN + 5 * number;
  const gutter = box.x + 4 + 5 * number;
  const corners = [[from.x + WIDTH / 2, from.y], [aside, from.y], [aside, above], [gutter, above], [gutter, to.y]];
  return `M${[...corners, [to.x - WIDTH / 2, to.y]].map(([x, y]) => `${x} ${y}`).join("L")}`;
}

function arrowhead() {
  const path = svg("path", { d: "M0 0L8 4L0 8z" });
  return svg(
    "marker",
    { id: "head", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    path,
  );
}

function appBox({ app, x, y, width, height }) {
  const box = svg("rect", { x, y, width, height, rx: 12 });
  const name = svg("text", { x: x + 16, y: y + TITLE - 4 });
  name.textContent = app;
  return svg("g", { class: "app" }, box, name);
}

/** Returns the address of what a table, bucket, queue, stream or workgroup has; null for other nodes. */
const dataOf = ({ kind, data }) => (data ? `data.html?${new URLSearchParams({ [kind]: data })}` : null);

function nodeBox(node, { x, y }) {
  const { id, kind, name, calls } = node;
  const box = svg("rect", { x: x - WIDTH / 2, y: y - HEIGHT / 2, width: WIDTH, height: HEIGHT, rx: 9 });
  const title = svg("title");
  title.textContent = `${name}, ${kind}`;
  const small = svg("text", { x: x - WIDTH / 2 + 10, y: y - 6, class: "kind" });
  small.textContent = kind;
  const large = svg("text", { x: x - WIDTH / 2 + 10, y: y + 13, class: "name" });
  large.textContent = name.length > 21 ? `${name.slice(0, 20)}…` : name;
  const href = dataOf(node);
  // Screen readers and the keyboard have the same link in the list.
  const [tag, link] = href ? ["a", { href, tabindex: -1 }] : ["g", {}];
  const group = svg(tag, { class: `node ${kind.replace(" ", "-")}`, "data-id": id, ...link }, title, box, small, large);
  if (calls !== null) {
    const count = svg("text", { x: x + WIDTH / 2 - 10, y: y - 6, class: "calls" });
    count.textContent = calls.toLocaleString("en");
    group.append(count);
  }
  group.addEventListener("pointerenter", () => highlight(id));
  group.addEventListener("pointerleave", () => highlight(null));
  return group;
}

function arrowLine({ source, target, hows }, d) {
  const title = svg("title");
  title.textContent = hows.join(", ");
  const right = hows.every((how) => RIGHTS.has(how));
  const line = svg("path", { d, "marker-end": "url(#head)", class: right ? "arrow right" : "arrow" }, title);
  line.dataset.source = source;
  line.dataset.target = target;
  return line;
}

/** Returns a smooth path through the middle of each pair of points, straight at both ends. */
function curve([first, ...rest]) {
  const last = rest.pop();
  const bends = rest.map((bend, index) => {
    const next = rest[index + 1];
    return next ? `Q${bend.x} ${bend.y} ${(bend.x + next.x) / 2} ${(bend.y + next.y) / 2}` : `Q${bend.x} ${bend.y} ${last.x} ${last.y}`;
  });
  return `M${first.x} ${first.y}${bends.length ? bends.join("") : `L${last.x} ${last.y}`}`;
}

/** Highlights the arrows of the node *id*, or none if it is null. */
function highlight(id) {
  for (const line of byId("graph").querySelectorAll(".arrow")) {
    const touches = line.dataset.source === id || line.dataset.target === id;
    line.classList.toggle("lit", touches);
    line.classList.toggle("dim", id !== null && !touches);
  }
}

function sentence({ source, target, hows }) {
  const item = document.createElement("li");
  item.append(named(source), " → ", named(target), `: ${hows.join(", ")}`);
  return item;
}

/** Returns the id of a node, as a link to its data if it has some. */
function named(id) {
  const href = dataOf(graph.nodes.find((node) => node.id === id));
  const element = document.createElement(href ? "a" : "span");
  element.textContent = id;
  if (href) element.href = href;
  return element;
}

function choices() {
  const apps = ["", ...new Set(graph.nodes.map(({ app }) => app).sort())];
  const before = chosen();
  byId("apps").replaceChildren(
    ...apps.map((app) => {
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: "app", value: app, checked: app === before });
      const label = document.createElement("label");
      const text = document.createElement("span");
      text.textContent = app || "All";
      label.append(input, text);
      return label;
    }),
  );
}

function update(found) {
  graph = found;
  byId("reading").hidden = true;
  byId("drawn").hidden = false;
  choices();
  draw();
}

async function refresh() {
  try {
    await poll("graph.json", update, { milliseconds: 20_000 });
    showState("Live");
  } catch {
    showState(UNREACHABLE);
  }
}

byId("apps").addEventListener("change", draw);
byId("rights").addEventListener("change", draw);
if (document.visibilityState === "visible") await refresh();
repeat(refresh, PAUSE);
