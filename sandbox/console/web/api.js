/** Lists the routes of the API that `?app=` names. */

import { byId, showState, UNREACHABLE } from "./shared/board.js";
import { fill, part } from "./shared/page.js";

function row({ method, path, summary, caller }) {
  const item = fill("route");
  part(item, "route").textContent = `${method} ${path}`;
  part(item, "summary").textContent = summary;
  part(item, "caller").textContent = caller;
  return item;
}

const app = new URLSearchParams(location.search).get("app") ?? "";
const answer = await fetch(`api.json?app=${encodeURIComponent(app)}`, { cache: "no-store" }).catch(() => null);
if (answer?.ok) {
  const { name, address, routes } = await answer.json();
  document.title = `Routes of ${name} · Sandbox`;
  byId("title").textContent = `Routes of ${name}`;
  byId("about").textContent = `Their paths follow ${address}`;
  byId("rows").replaceChildren(...routes.map(row));
  byId("table").hidden = false;
  showState("Live");
} else {
  byId("about").textContent = answer ? `There is no API ${app} with a contract here.` : "The sandbox does not answer.";
  showState(answer ? "Live" : UNREACHABLE);
}
