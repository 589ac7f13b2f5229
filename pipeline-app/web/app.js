/** The dashboard: requests the API every few seconds while the page is visible, and changes only what is new. */

import { AlertsView } from "./alerts-view.js";
import { Api } from "./api.js";
import { DeviceView } from "./device-view.js";
import { DevicesView } from "./devices-view.js";
import { Problem, send } from "./shared/http.js";
import { byId, put, showFailure } from "./page.js";
import { QualityView } from "./quality-view.js";
import { ReportsView, showFreshness } from "./reports-view.js";

/** Milliseconds between two refreshes. */
const INTERVAL = 3000;

/** @param {{api: string}} config of the stage, from `config.json` */
function start({ api: base }) {
  const api = new Api(base);
  const device = new DeviceView(api);
  const devices = new DevicesView(api, pick);
  const alerts = new AlertsView(api, (id) => {
    pick(id);
    byId("device").scrollIntoView({ block: "nearest" });
  });
  const quality = new QualityView(api);
  const reports = new ReportsView(api);

  function pick(id) {
    devices.pick(id);
    device.open(id);
  }

  async function refreshReports() {
    const [status, { items }] = await Promise.all([api.status(), api.reports()]);
    showFreshness(status);
    await Promise.all([
      reports.refresh(items, status.reports),
      quality.refresh(items.find(({ name }) => name === "quality")?.periods ?? []),
    ]);
  }

  return () => Promise.allSettled([devices.refresh(), device.refresh(), alerts.refresh(), refreshReports()]);
}

let wake = () => {};

async function run(refresh) {
  for (;;) {
    if (document.visibilityState === "visible") {
      const outcomes = await refresh();
      const failed = outcomes.filter(({ status }) => status === "rejected");
      showFailure(failed[0]?.reason);
      showState(!failed.length ? "Live" : failed.length === outcomes.length ? "Not reachable" : "Partly reachable");
    } else {
      showState("Paused");
    }
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, INTERVAL);
    });
  }
}

function showState(text) {
  put(byId("state"), text);
  byId("state").classList.toggle("live", text === "Live");
}

document.addEventListener("visibilitychange", () => wake());

try {
  const response = await send("config.json", { cache: "no-cache" });
  if (!response.ok) throw new Problem("This page is not set up: its config.json is missing.");
  run(start(await response.json()));
} catch (problem) {
  showState("Not reachable");
  showFailure(problem);
}
