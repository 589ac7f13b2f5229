/** Draws who calls whom, as graph.json says, again every five seconds while the page is seen. */

import * as dagre from "./vendor/dagre-3.1.3.js";

const PAUSE = 5000;
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 168;
const HEIGHT = 46;
const RIGHTS = new Set(["reads", "writes"]);

/**
 * @typedef {{id: string, app: string, kind: string, name: string, calls: number | null}} Node
 * @typedef {{source: string, target: string, how: string}} Edge
 */

const byId = (id) => document.getElementById(id);
let graph = { nodes: /** @type {Node[]} */ ([]), edges: /** @type {Edge[]} */ ([]) };
let shown = "";

const chosen = () => document.querySelector("input[name=app]:checked")?.value ?? "";

/** What is to be drawn: the chosen app and whatever of others it touches, with one arrow from one to another. */
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
  const layout = new dagre.graphlib.Graph({ compound: true });
  layout.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 64, marginx: 16, marginy: 16 });
  layout.setDefaultEdgeLabel(() => ({}));
  for (const app of new Set(nodes.map(({ app }) => app))) layout.setNode(`app ${app}`, { app });
  for (const { id, app } of nodes) {
    layout.setNode(id, { width: WIDTH, height: HEIGHT });
    layout.setParent(id, `app ${app}`);
  }
  for (const { source, target } of arrows) layout.setEdge(source, target);
  dagre.layout(layout);

  const { width, height } = layout.graph();
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  picture.append(svg("defs", {}, arrowhead("head"), arrowhead("soft-head")));
  for (const id of layout.nodes()) if (id.startsWith("app ")) picture.append(appBox(layout.node(id)));
  for (const arrow of arrows) picture.append(arrowLine(arrow, layout.edge(arrow.source, arrow.target).points));
  for (const node of nodes) picture.append(nodeBox(node, layout.node(node.id)));
  byId("graph").replaceChildren(picture);
  byId("list").replaceChildren(...arrows.map(sentence));
}

function arrowhead(id) {
  const path = svg("path", { d: "M0 0L8 4L0 8z" });
  return svg(
    "marker",
    { id, viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    path,
  );
}

function appBox({ app, x, y, width, height }) {
  const box = svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 12 });
  const name = svg("text", { x: x - width / 2 + 12, y: y - height / 2 + 18 });
  name.textContent = app;
  return svg("g", { class: "app" }, box, name);
}

function nodeBox({ id, kind, name, calls }, { x, y }) {
  const box = svg("rect", { x: x - WIDTH / 2, y: y - HEIGHT / 2, width: WIDTH, height: HEIGHT, rx: 9 });
  const title = svg("title");
  title.textContent = `${name}, ${kind}`;
  const small = svg("text", { x: x - WIDTH / 2 + 10, y: y - 6, class: "kind" });
  small.textContent = kind;
  const large = svg("text", { x: x - WIDTH / 2 + 10, y: y + 13, class: "name" });
  large.textContent = name.length > 21 ? `${name.slice(0, 20)}…` : name;
  const group = svg("g", { class: `node ${kind.replace(" ", "-")}`, "data-id": id }, title, box, small, large);
  if (calls !== null) {
    const count = svg("text", { x: x + WIDTH / 2 - 10, y: y - 6, class: "calls" });
    count.textContent = calls.toLocaleString("en");
    group.append(count);
  }
  group.addEventListener("pointerenter", () => light(id));
  group.addEventListener("pointerleave", () => light(null));
  return group;
}

function arrowLine({ source, target, hows }, points) {
  const [first, ...rest] = points;
  const d = `M${first.x} ${first.y}${rest.map(({ x, y }) => `L${x} ${y}`).join("")}`;
  const title = svg("title");
  title.textContent = hows.join(", ");
  const right = hows.every((how) => RIGHTS.has(how));
  const head = right ? "url(#soft-head)" : "url(#head)";
  const line = svg("path", { d, "marker-end": head, class: right ? "arrow right" : "arrow" }, title);
  line.dataset.source = source;
  line.dataset.target = target;
  return line;
}

/** Has the arrows of one node stand out, or of none. */
function light(id) {
  for (const line of byId("graph").querySelectorAll(".arrow")) {
    const touches = line.dataset.source === id || line.dataset.target === id;
    line.classList.toggle("lit", touches);
    line.classList.toggle("dim", id !== null && !touches);
  }
}

function sentence({ source, target, hows }) {
  const item = document.createElement("li");
  item.textContent = `${source} → ${target}: ${hows.join(", ")}`;
  return item;
}

function choices() {
  const apps = ["", ...new Set(graph.nodes.map(({ app }) => app).sort())];
  const before = chosen();
  byId("apps").replaceChildren(
    ...apps.map((app) => {
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: "app", value: app, checked: app === before });
      const label = document.createElement("label");
      const name = document.createElement("span");
      name.textContent = app || "All";
      label.append(input, name);
      return label;
    }),
  );
}

async function refresh() {
  try {
    const answer = await fetch("graph.json", { cache: "no-store", signal: AbortSignal.timeout(20_000) });
    if (!answer.ok) throw new Error(`graph.json answers ${answer.status}`);
    const text = await answer.text();
    byId("state").textContent = "Live";
    byId("state").classList.add("live");
    if (text === shown) return;
    graph = JSON.parse(text);
    shown = text;
    choices();
    draw();
  } catch {
    byId("state").textContent = "Not reachable, trying again";
    byId("state").classList.remove("live");
  }
}

byId("apps").addEventListener("change", draw);
byId("rights").addEventListener("change", draw);
for (;;) {
  if (document.visibilityState === "visible") await refresh();
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
}
