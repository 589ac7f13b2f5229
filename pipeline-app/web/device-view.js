/** One device: its latest readings, one metric over time, and the hours as a table. */

import { Chart } from "./chart.js";
import { attempt, byId, fill, part, put, reconcile } from "./page.js";
import { choice, choose } from "./choices.js";
import { ago, measured, plain, showTime, whole } from "./format.js";

const DAY = 86_400;
/** Live points to keep of a metric, and the minimum and maximum seconds that the range "live" shows. */
const POINTS = 2000;
const LIVE = [60, 600];

export class DeviceView {
  #api;
  #chart = new Chart(byId("chart"));
  #id = null;
  /** @type {import("./api.js").Device | null} */
  #device = null;
  /** @type {import("./api.js").Hour[]} */
  #hours = [];
  /** Days that have a report of the hours. No other is requested. @type {string[]} */
  #reported = [];
  /** Readings since the device was opened, by metric: time to value. @type {Map<string, Map<number, number>>} */
  #live = new Map();
  #lastRequest = 0;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.#api = api;
    byId("metrics").addEventListener("change", () => {
      choose("metric", this.#metric);
      this.#draw();
    });
    byId("range").addEventListener("change", () => this.#rangeChanged());
    byId("day").addEventListener("change", () => this.#rangeChanged());
    byId("day").value = choice("day") || dayOf(Date.now() / 1000);
    for (const range of byId("range").querySelectorAll("input")) range.checked ||= range.value === choice("range");
    byId("day").hidden = this.#range !== "day";
  }

  /** Shows another device. */
  open(id) {
    if (id === this.#id) return;
    this.#id = id;
    this.#device = null;
    this.#hours = [];
    this.#live = new Map();
    byId("metrics").replaceChildren();
    put(byId("device-name"), id);
    put(byId("device-seen"), "");
    byId("device").hidden = false;
    attempt(() => this.refresh());
  }

  /** Gets the days that have a report of the hours, newest first. @param {string[]} days */
  async showReported(days) {
    if (days.join() === this.#reported.join()) return;
    this.#reported = days;
    await this.refresh();
  }

  async refresh() {
    if (this.#id === null) return;
    const request = ++this.#lastRequest;
    const [device, ...hours] = await Promise.all([
      this.#api.device(this.#id),
      ...this.#days().map((day) => this.#api.hours(day, this.#id)),
    ]);
    if (request !== this.#lastRequest) return; // another device or range has been chosen meanwhile
    this.#device = device;
    this.#hours = hours.flat();
    this.#show();
  }

  get #range() {
    return byId("range").querySelector(":checked").value;
  }

  get #metric() {
    return byId("metrics").querySelector(":checked")?.value;
  }

  /** The first and last second to draw. */
  #span() {
    const now = Date.now() / 1000;
    if (this.#range === "live") {
      const [first] = this.#live.get(this.#metric)?.keys() ?? [];
      return [Math.max(now - LIVE[1], Math.min(now - LIVE[0], first ?? now)), now];
    }
    if (this.#range !== "day") return [now - Number(this.#range) * DAY, now];
    const first = Date.parse(`${byId("day").value || dayOf(now)}T00:00:00Z`) / 1000;
    return [first, first + DAY];
  }

  /** The UTC days whose reports to draw, of those that there are. The range "live" needs none. */
  #days() {
    if (this.#range === "live") return [];
    const [first, last] = this.#span();
    const days = [];
    for (let day = Math.floor(first / DAY); day * DAY < last; day++) days.push(dayOf(day * DAY));
    return days.filter((day) => this.#reported.includes(day));
  }

  #rangeChanged() {
    byId("day").hidden = this.#range !== "day";
    choose("range", this.#range === "live" ? "" : this.#range);
    choose("day", this.#range === "day" ? byId("day").value : "");
    this.#draw();
    attempt(() => this.refresh());
  }

  #show() {
    const { last_seen: seen, metrics, alerts } = this.#device;
    put(byId("device-seen"), `Last reading ${ago(seen)}`);
    const raised = new Set(alerts.map(({ metric }) => metric));
    const items = Object.entries(metrics).sort();
    reconcile(byId("metrics"), items, ([name]) => name, metricItem, (item, [name, latest]) => {
      put(part(item, "value"), measured(latest.value, latest.unit));
      showTime(part(item, "seen"), latest.ts);
      item.classList.toggle("is-raised", raised.has(name));
      this.#keep(name, latest);
    });
    if (!this.#metric && items.length) {
      const named = (name) => items.find(([metric]) => metric === name);
      const first = named(choice("metric")) ?? items.find(([name]) => raised.has(name)) ?? named("temperature");
      byId("metrics").querySelector(`[value="${CSS.escape((first ?? items[0])[0])}"]`).checked = true;
    }
    this.#draw();
  }

  #keep(metric, { ts, value }) {
    const points = this.#live.get(metric) ?? new Map();
    this.#live.set(metric, points);
    points.set(Date.parse(ts) / 1000, value);
    if (points.size > POINTS) points.delete(points.keys().next().value);
  }

  #draw() {
    const metric = this.#metric;
    if (!metric) return;
    const span = this.#span();
    const { unit } = this.#device.metrics[metric];
    const hours = this.#hours.filter((hour) => hour.metric === metric && within(hourOf(hour), span));
    const live = [...(this.#live.get(metric) ?? [])].filter(([time]) => time >= span[0] && time <= span[1]);
    // Draws the mean of an hour in its middle.
    const rows = [
      ...hours.map(({ hour, min, max, avg }) => [Date.parse(hour) / 1000 + 1800, min, max, avg, null]),
      ...live.map(([time, value]) => [time, null, null, null, value]),
    ].sort(([a], [b]) => a - b);
    const [times, min, max, avg, now] = [0, 1, 2, 3, 4].map((column) => rows.map((row) => row[column]));
    this.#chart.show({ times, min, max, avg, live: now }, span, measured(0, unit).replace(/^0 ?/, ""));
    this.#describe(metric, hours, live);
    this.#table(hours);
  }

  #describe(metric, hours, live) {
    const count = hours.reduce((sum, hour) => sum + hour.count, 0);
    const parts = [
      hours.length && `${counted(hours.length, "hour")} of ${counted(count, "reading")}: mean, minimum and maximum`,
      live.length && `${counted(live.length, "reading")} live`,
    ].filter(Boolean);
    const note = parts.length ? `${parts.join("; ")}. Times are UTC.` : "No readings in this time.";
    put(byId("chart-note"), note);
    byId("chart").ariaLabel = `${metric} of ${this.#id} over time. ${note}`;
  }

  #table(hours) {
    byId("hours").hidden = hours.length === 0;
    reconcile(byId("hour-rows"), hours.toReversed(), ({ hour }) => hour, () => fill("hour-row"), (row, hour) => {
      put(part(row, "hour"), hour.hour.slice(0, 16).replace("T", " "));
      put(part(row, "count"), whole(hour.count));
      for (const name of ["min", "avg", "max"]) put(part(row, name), plain(hour[name]));
    });
  }
}

function metricItem([name]) {
  const item = fill("metric-item");
  item.querySelector("input").value = name;
  put(part(item, "name"), name);
  return item;
}

const counted = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

const hourOf = ({ hour }) => Date.parse(hour) / 1000;

/** Whether any part of the hour that starts at *time* is in the span. */
const within = (time, [first, last]) => time + 3600 > first && time < last;

const dayOf = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
