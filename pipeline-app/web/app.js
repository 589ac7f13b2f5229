/** The dashboard: requests the API every few seconds while the page is visible, and changes only what is new. */

import { AlertsView } from "./alerts-view.js";
import { Api } from "./api.js";
import { choice, choose } from "./choices.js";
import { loadConfig } from "./shared/aws.js";
import { DeviceView } from "./device-view.js";
import { DevicesView } from "./devices-view.js";
import { byId, put, showFailure, showState } from "./page.js";
import { QualityView } from "./quality-view.js";
import { readers } from "./readers.js";
import { ReportsView, showFreshness } from "./reports-view.js";

/** Milliseconds between two refreshes. */
const INTERVAL = 3000;

/** @param {Api} api @returns {() => Promise<PromiseSettledResult<void>[]>} the function that refreshes every part */
function start(api) {
  const device = new DeviceView(api);
  const devices = new DevicesView(api, pick);
  const alerts = new AlertsView(api, (id) => {
    pick(id);
    byId("device").scrollIntoView({ block: "nearest" });
  });
  const quality = new QualityView(api);
  const reports = new ReportsView(api);

  function pick(id) {
    choose("device", id);
    devices.pick(id);
    device.open(id);
  }
  if (choice("device")) device.open(choice("device"));

  async function refreshReports() {
    const [status, { items }] = await Promise.all([api.status(), api.reports()]);
    showFreshness(status);
    const periods = (report) => items.find(({ name }) => name === report)?.periods ?? [];
    await Promise.all([
      reports.refresh(items, status.reports),
      quality.refresh(periods("quality")),
      device.showReported(periods("hourly")),
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

/** Shows who is signed in, and leaves when the session ends. @param {import("./shared/cognito.js").Session} session */
function showReader(session) {
  put(byId("email"), session.email);
  byId("person").hidden = false;
  session.addEventListener("ended", () => leave("ended"));
  byId("sign-out").addEventListener("click", async () => {
    await session.stop();
    leave("signed-out");
  });
}

/** Shows the page where readers sign in. @param {string} [reason] why it is shown */
function leave(reason = "") {
  location.replace(`sign-in.html${reason && `?${reason}`}`);
}

document.addEventListener("visibilitychange", () => wake());

try {
  const config = await loadConfig();
  const { session } = readers(config) ?? { session: null };
  await session?.restore();
  if (session?.email === null) {
    leave();
  } else {
    if (session) showReader(session);
    byId("main").hidden = false;
    run(start(new Api(config.api, session)));
  }
} catch (problem) {
  byId("main").hidden = false;
  showState("Not reachable");
  showFailure(problem);
}
