/** The reports: when each last ran and what that cost; and the rows of one of them as a table. */

import { attempt, byId, fill, part, put, reconcile } from "./page.js";
import { choice, choose, chooseDay, fillDays } from "./choices.js";
import { ago, bytes, cell, duration, showTime, whole } from "./format.js";

/** Rows to show at first, and to add with each press of the button. */
const PAGE = 100;

export class ReportsView {
  #api;
  /** Name of the open report, or an empty string. */
  #open = choice("report");
  #limit = PAGE;
  #lastRequest = 0;
  /** @type {import("./api.js").ReportSummary[]} */
  #reports = [];

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.#api = api;
    byId("report-period").addEventListener("change", ({ target }) => {
      chooseDay(target, "period");
      this.#restart();
    });
    byId("download-report").addEventListener("click", () => attempt(() => this.#download()));
    byId("more-rows").addEventListener("click", () => {
      this.#limit += PAGE;
      attempt(() => this.#refreshRows());
    });
    byId("close-report").addEventListener("click", () => this.#toggle(this.#open));
  }

  /**
   * @param {import("./api.js").ReportSummary[]} reports as the API lists them
   * @param {import("./api.js").Run[]} runs the last run of each report
   */
  async refresh(reports, runs) {
    this.#reports = reports;
    byId("report-table").hidden = reports.length === 0;
    byId("no-reports").hidden = reports.length > 0;
    const lastRuns = new Map(runs.map((run) => [run.name, run]));
    reconcile(byId("report-rows"), reports, ({ name }) => name, (report) => this.#row(report), (row, report) => {
      const run = lastRuns.get(report.name);
      put(part(row, "title"), report.title);
      put(part(row, "name"), report.name);
      part(row, "title").ariaExpanded = String(report.name === this.#open);
      put(part(row, "periods"), whole(report.periods.length));
      put(part(row, "period"), run?.period ?? "–");
      put(part(row, "scanned"), run ? bytes(run.bytes_scanned) : "–");
      put(part(row, "took"), run ? duration(run.ms / 1000) : "–");
      if (run) showTime(part(row, "made"), run.generated_at);
      else put(part(row, "made"), "not yet");
    });
    await this.#refreshRows();
  }

  #row({ name }) {
    const row = fill("report-row");
    part(row, "title").addEventListener("click", () => this.#toggle(name));
    return row;
  }

  /** Opens a report, or closes it if it is open. */
  #toggle(name) {
    const opener = part([...byId("report-rows").children].find(({ dataset }) => dataset.key === name), "title");
    this.#open = name === this.#open ? "" : name;
    choose("report", this.#open);
    choose("period", "");
    for (const row of byId("report-rows").children) part(row, "title").ariaExpanded = String(row.dataset.key === this.#open);
    byId("report").hidden = !this.#open;
    if (!this.#open) opener.focus();
    else this.#restart();
  }

  /** Shows the first rows of another report or period. */
  #restart() {
    this.#limit = PAGE;
    byId("report-head").replaceChildren();
    byId("report-body").replaceChildren();
    attempt(() => this.#refreshRows());
  }

  /** Requests all rows that are shown, so that they are always of one edition. */
  async #refreshRows() {
    const report = this.#reports.find(({ name }) => name === this.#open);
    byId("report").hidden = !report;
    if (!report) return;
    put(byId("report-title"), report.title);
    const { value: period } = fillDays(byId("report-period"), report.periods, "period");
    byId("download-report").hidden = !period;
    const request = ++this.#lastRequest;
    const page = period ? await this.#api.report(report.name, period, this.#limit) : undefined;
    if (request !== this.#lastRequest) return; // another report or period has been chosen meanwhile
    this.#showRows(page?.rows ?? []);
    byId("more-rows").hidden = !page?.cursor || page.rows.length < this.#limit; // fewer: the response is full
    put(byId("report-note"), page ? note(page) : "No rows yet.");
  }

  /** Saves all rows of the report as a CSV file. */
  async #download() {
    location.assign(await this.#api.download(this.#open, byId("report-period").value));
  }

  /** @param {Record<string, unknown>[]} rows */
  #showRows(rows) {
    const columns = [...new Set(rows.flatMap(Object.keys))];
    const isNumber = (name) => rows.every((row) => row[name] == null || typeof row[name] === "number");
    const numbers = new Set(columns.filter(isNumber));
    const mark = (element, name) => element.classList.toggle("number", numbers.has(name));
    reconcile(byId("report-head"), columns, (name) => name, headCell, mark);
    reconcile(byId("report-body"), [...rows.entries()], ([number]) => String(number), newRow, (row, [, values]) => {
      reconcile(row, columns, (name) => name, newCell, (element, name) => {
        mark(element, name);
        put(element, cell(values[name]));
      });
    });
  }
}

/** @param {import("./api.js").ReportPage} page */
function note({ rows, cursor, generated_at: made }) {
  const count = `${cursor ? "First " : ""}${whole(rows.length)} ${rows.length === 1 ? "row" : "rows"}`;
  return `${count}, made ${ago(made)}. Times are UTC.`;
}

function headCell(name) {
  const element = document.createElement("th");
  element.scope = "col";
  element.textContent = name;
  return element;
}

const newRow = () => document.createElement("tr");

const newCell = () => document.createElement("td");

/** Shows how long a reading takes to be visible. @param {Awaited<ReturnType<import("./api.js").Api["status"]>>} status */
export function showFreshness({ freshness, reports }) {
  put(byId("newest"), freshness.devices ? ago(freshness.devices.event_at) : "–");
  put(byId("newest-device"), freshness.devices ? "by its own clock" : "none yet");
  put(byId("fresh-devices"), freshness.devices ? duration(freshness.devices.seconds) : "–");
  put(byId("fresh-reports"), freshness.reports ? duration(freshness.reports.seconds) : "–");
  put(byId("scanned"), reports.length ? bytes(reports.reduce((sum, run) => sum + run.bytes_scanned, 0)) : "–");
  put(byId("scanned-by"), reports.length ? "for the newest reports" : "no report yet");
}
