/** The REST API of the pipeline. The page only reads, and repeats each request every few seconds. */

import { Problem, send } from "./shared/http.js";
import { authorized } from "./shared/rest.js";

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

/** Number of responses to keep, so that each can be requested again by its entity tag. */
const MAX_RESPONSES = 100;

export class Api {
  #base;
  #session;
  #responses = new Map();

  /** @param {string} base @param {import("./shared/cognito.js").Session | null} session null if everybody may read */
  constructor(base, session) {
    this.#base = base;
    this.#session = session;
  }

  /** @returns {Promise<{freshness: {devices: Freshness, reports: Freshness}, reports: Run[]}>} */
  status() {
    return this.#get("/status");
  }

  /** @returns {Promise<{items: Device[], cursor: string | null}>} ordered by name */
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

  /** The address of a CSV file with all rows of a report, for a few minutes. @returns {Promise<string>} */
  async download(name, period) {
    return (await this.#get(`/reports/${encodeURIComponent(name)}/download`, { period })).url;
  }

  /** The hours of a device on a UTC day. Empty if there is no report yet. @returns {Promise<Hour[]>} */
  async hours(day, deviceId) {
    const rows = await this.#rows("hourly", { period: day, device_id: deviceId });
    return rows.filter((row) => row.device_id === deviceId);
  }

  /** The outcomes of the records that arrived on a UTC day. @returns {Promise<Quality | undefined>} */
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

  /** Requests *path*. If the response has not changed, returns the same object as before. */
  async #get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value);
    const url = `${this.#base}${path}?${new URLSearchParams(given)}`;
    const known = this.#responses.get(url);
    const request = (authorization) => {
      const headers = { ...authorization, ...(known && { "If-None-Match": known.etag }) };
      return send(url, { headers, cache: "no-store" });
    };
    const response = await (this.#session ? authorized(this.#session, request) : request({}));
    if (response.status === 304) return known.value;
    if (!response.ok) throw await failure(response);
    const value = await response.json();
    this.#responses.delete(url);
    this.#responses.set(url, { etag: response.headers.get("ETag") ?? "", value });
    if (this.#responses.size > MAX_RESPONSES) this.#responses.delete(this.#responses.keys().next().value);
    return value;
  }
}

async function failure(response) {
  const { Code: code, Message: message } = await response.json().catch(() => ({}));
  return new Problem(sentence(response.status, message), { status: response.status, code });
}

function sentence(status, message) {
  if (status === 429) return "Too many requests. The page tries again in a few seconds.";
  if (status >= 500) return "The service has a problem. The page tries again in a few seconds.";
  return `The service rejected the request: ${message ?? `status ${status}`}.`;
}
