/** The dashboard: asks the API again every few seconds while somebody looks, and changes only what is new. */

import { AlertsView } from "./alerts-view.js";
import { Api } from "./api.js";
import { DeviceView } from "./device-view.js";
import { DevicesView } from "./devices-view.js";
import { Problem, send } from "./shared/http.js";
import { byId, put, tellFailure } from "./page.js";
import { QualityView } from "./quality-view.js";
import { ReportsView, showFreshness } from "./reports-view.js";

const PAUSE = 3000;

/** @param {{api: string}} config what the stage's `config.json` says */
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
      tellFailure(failed[0]?.reason);
      tellState(!failed.length ? "Live" : failed.length === outcomes.length ? "Not reachable" : "Partly reachable");
    } else {
      tellState("Paused");
    }
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, PAUSE);
    });
  }
}

function tellState(text) {
  put(byId("state"), text);
  byId("state").classList.toggle("live", text === "Live");
}

document.addEventListener("visibilitychange", () => wake());

try {
  const answer = await send("config.json", { cache: "no-cache" });
  if (!answer.ok) throw new Problem("This page has not been set up yet: its config.json is missing.");
  run(start(await answer.json()));
} catch (problem) {
  tellState("Not reachable");
  tellFailure(problem);
}
