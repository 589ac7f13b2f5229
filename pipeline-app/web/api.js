/** The REST API of the pipeline: reads only, each of them asked for again and again. */

import { Problem, send } from "./shared/http.js";

/**
 * @typedef {{value: number, unit: string, ts: string, seq: number}} Latest
 * @typedef {{device_id: string, last_seen: string, metrics: Record<string, Latest>, alerts: {metric: string}[]}} Device
 * @typedef {{device_id: string, metric: string, state: "raised" | "cleared", value: number, unit: string, threshold: number, ts: string}} Alert
 * @typedef {{device_id: string, metric: string, hour: string, count: number, min: number, max: number, avg: number}} Hour
 * @typedef {{received: number, accepted: number, duplicates: number, bad: Record<string, number>}} Quality
 * @typedef {{name: string, title: string, periods: string[]}} ReportSummary
 * @typedef {{name: string, period: string, generated_at: string, bytes_scanned: number, ms: number}} Run
 * @typedef {{generated_at: string, rows: Record<string, unknown>[], cursor: string | null}} ReportPage
 * @typedef {{event_at: string, visible_at: string, seconds: number} | null} Freshness
 */

/** How many answers are kept, each to be asked for anew by its entity tag. */
const KEPT = 100;

export class Api {
  #base;
  #answers = new Map();

  /** @param {string} base */
  constructor(base) {
    this.#base = base;
  }

  /** @returns {Promise<{freshness: {devices: Freshness, reports: Freshness}, reports: Run[]}>} */
  status() {
    return this.#get("/status");
  }

  /** @returns {Promise<{items: Device[], cursor: string | null}>} in order of their names */
  devices({ prefix, cursor, limit }) {
    return this.#get("/devices", { prefix, cursor, limit });
  }

  /** @returns {Promise<Device>} */
  device(id) {
    return this.#get(`/devices/${encodeURIComponent(id)}`);
  }

  /** @returns {Promise<{items: Alert[], cursor: string | null}>} newest first */
  alerts({ cursor } = {}) {
    return this.#get("/alerts", { cursor });
  }

  /** @returns {Promise<{items: ReportSummary[]}>} */
  reports() {
    return this.#get("/reports");
  }

  /** The first rows of any report, at most *limit*. @returns {Promise<ReportPage | undefined>} undefined if it has none */
  report(name, period, limit) {
    return this.#report(name, { period, limit });
  }

  /** The hours of a device on a day, UTC; none while there is no report. @returns {Promise<Hour[]>} */
  async hours(day, deviceId) {
    const rows = await this.#rows("hourly", { period: day, device_id: deviceId });
    return rows.filter((row) => row.device_id === deviceId);
  }

  /** What became of the records that arrived on a day, UTC. @returns {Promise<Quality | undefined>} */
  async quality(day) {
    return (await this.#rows("quality", { period: day }))[0];
  }

  /** All rows of a report, from all of its pages; none if it has none yet. */
  async #rows(name, query) {
    const rows = [];
    let cursor = null;
    do {
      const page = await this.#report(name, { ...query, cursor });
      rows.push(...(page?.rows ?? []));
      cursor = page?.cursor;
    } while (cursor);
    return rows;
  }

  async #report(name, query) {
    try {
      return await this.#get(`/reports/${encodeURIComponent(name)}`, query);
    } catch (problem) {
      if (problem.status === 404) return undefined;
      throw problem;
    }
  }

  /** What did not change since is not sent again, and is the same object as before. */
  async #get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value);
    const url = `${this.#base}${path}?${new URLSearchParams(given)}`;
    const known = this.#answers.get(url);
    const headers = known ? { "If-None-Match": known.etag } : {};
    const answer = await send(url, { headers, cache: "no-store" });
    if (answer.status === 304) return known.value;
    if (!answer.ok) throw await refusal(answer);
    const value = await answer.json();
    this.#answers.delete(url);
    this.#answers.set(url, { etag: answer.headers.get("ETag") ?? "", value });
    if (this.#answers.size > KEPT) this.#answers.delete(this.#answers.keys().next().value);
    return value;
  }
}

async function refusal(answer) {
  const { Code: code, Message: message } = await answer.json().catch(() => ({}));
  return new Problem(sentence(answer.status, message), { status: answer.status, code });
}

function sentence(status, message) {
  if (status === 429) return "That was too fast; the next try is on its way.";
  if (status >= 500) return "The service has a problem; the next try is on its way.";
  return `The service did not take this: ${message ?? `status ${status}`}.`;
}
