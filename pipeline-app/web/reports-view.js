/** The reports: when each was last made, and what that took. And how fresh all is. */

import { byId, fill, part, put, reconcile } from "./page.js";
import { ago, bytes, lasted, tellTime, whole } from "./words.js";

/** Shows *reports*, as the API lists them, with the last *runs* of each by name. */
export function showReports(reports, runs) {
  byId("report-table").hidden = reports.length === 0;
  byId("no-reports").hidden = reports.length > 0;
  const newest = new Map(runs.map((run) => [run.name, run]));
  reconcile(byId("report-rows"), reports, ({ name }) => name, () => fill("report-row"), (row, report) => {
    const run = newest.get(report.name);
    put(part(row, "title"), report.title);
    put(part(row, "name"), report.name);
    put(part(row, "periods"), whole(report.periods.length));
    put(part(row, "period"), run?.period ?? "–");
    put(part(row, "scanned"), run ? bytes(run.bytes_scanned) : "–");
    put(part(row, "took"), run ? lasted(run.ms / 1000) : "–");
    if (run) tellTime(part(row, "made"), run.generated_at);
    else put(part(row, "made"), "not yet");
  });
}

/** Shows how long a reading takes to be seen. @param {Awaited<ReturnType<import("./api.js").Api["status"]>>} status */
export function showFreshness({ freshness, reports }) {
  put(byId("newest"), freshness.devices ? ago(freshness.devices.event_at) : "–");
  put(byId("newest-device"), freshness.devices ? "by its own clock" : "none yet");
  put(byId("fresh-devices"), freshness.devices ? lasted(freshness.devices.seconds) : "–");
  put(byId("fresh-reports"), freshness.reports ? lasted(freshness.reports.seconds) : "–");
  put(byId("scanned"), reports.length ? bytes(reports.reduce((sum, run) => sum + run.bytes_scanned, 0)) : "–");
  put(byId("scanned-by"), reports.length ? "for the newest reports" : "no report yet");
}
