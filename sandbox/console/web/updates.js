/** Shows updates.json: what the edge saves, the releases and the update servers. Reads it every two seconds. */

import { byId, poll, reconcile, repeat, showState, UNREACHABLE } from "./shared/board.js";
import { fill, part } from "./shared/page.js";

const PAUSE = 2000;
const NUMBER = new Intl.NumberFormat("en-GB");
const TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/**
 * @typedef {{version: string, channel: string, size: number, published_at: string}} Release
 * @typedef {{address: string, state: string}} Server
 * @typedef {{requests: number, origin_requests: number, bytes: number, origin_bytes: number}} Edge
 * @typedef {{next: string, clients: number, releases: Release[], servers: Server[], desired: number, edge: Edge}} Updates
 */

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** @param {?Updates} updates */
function show(updates) {
  byId("no-updates").hidden = updates !== null;
  for (const section of document.querySelectorAll("main > section")) section.hidden = updates === null;
  if (updates) showUpdates(updates);
}

/** @param {Updates} updates */
function showUpdates({ next, clients, releases, servers, desired, edge }) {
  showEdge(edge);
  byId("release").textContent = `Release ${next}`;
  byId("releasing").textContent = `Released as with make publish, to the channel stable. Then ${clients} clients download it.`;
  byId("no-releases").hidden = releases.length > 0;
  byId("release-table").hidden = releases.length === 0;
  reconcile(byId("release-rows"), releases, ({ version, channel }) => `${version} ${channel}`, releaseRow);
  const healthy = servers.filter(({ state }) => state === "healthy").length;
  byId("fleet-lead").textContent = `An Auto Scaling group, behind a load balancer: ${healthy} of ${desired} in service.`;
  byId("no-servers").hidden = servers.length > 0;
  byId("servers").hidden = servers.length === 0;
  reconcile(byId("servers"), servers, ({ address }) => address, () => fill("server"), updateServer);
}

/** @param {Edge} edge */
function showEdge({ requests, origin_requests: reached, bytes, origin_bytes: sent }) {
  byId("requests").textContent = NUMBER.format(requests);
  byId("origin-requests").textContent = NUMBER.format(reached);
  byId("bytes").textContent = megabytes(bytes);
  byId("origin-bytes").textContent = megabytes(sent);
  const kept = requests ? Math.round(100 * (1 - reached / requests)) : 0;
  byId("saved").textContent = requests
    ? `The edge answered ${Math.max(kept, 0)} % of the requests itself.`
    : "No client has asked for an update yet. Release the next version, and clients download it.";
}

/** @param {Release} release */
function releaseRow({ version, channel, size, published_at: at }) {
  const row = fill("row");
  part(row, "version").textContent = version;
  part(row, "channel").textContent = channel;
  part(row, "time").textContent = TIME.format(new Date(at));
  part(row, "time").dateTime = at;
  part(row, "size").textContent = megabytes(size);
  return row;
}

/** @param {HTMLElement} item @param {Server} server */
function updateServer(item, { address, state }) {
  part(item, "address").textContent = address;
  part(item, "state").textContent = state;
  part(item, "state").classList.toggle("is-error", state === "unhealthy");
}

async function release() {
  const button = byId("release");
  button.disabled = true;
  byId("error").hidden = true;
  byId("said").textContent = "Releasing…";
  const answer = await fetch("updates/release", { method: "POST" }).catch(() => null);
  const told = await answer?.json().catch(() => null);
  byId("said").textContent = answer?.ok ? `Released ${told.version}.` : "";
  if (!answer?.ok) {
    byId("error").textContent = told?.message ?? "The sandbox does not answer. Try again.";
    byId("error").hidden = false;
  }
  await refresh();
  button.disabled = false;
}

async function refresh() {
  try {
    await poll("updates.json", show);
    showState("Live");
  } catch {
    showState(UNREACHABLE);
    return;
  }
  byId("main").hidden = false;
}

byId("release").addEventListener("click", release);
await refresh();
repeat(refresh, PAUSE);
