/** The alerts, newest first. Refreshes the first page; a button loads older ones. */

import { attempt, byId, fill, part, put, reconcile } from "./page.js";
import { measured, showTime } from "./format.js";

export class AlertsView {
  #api;
  #onPick;
  /** @type {import("./api.js").Alert[]} */
  #older = [];
  #cursor = null;
  #newest = [];

  /** @param {import("./api.js").Api} api @param {(id: string) => void} onPick shows a device */
  constructor(api, onPick) {
    this.#api = api;
    this.#onPick = onPick;
    byId("more-alerts").addEventListener("click", () => attempt(() => this.#more()));
  }

  async refresh() {
    const { items, cursor } = await this.#api.alerts();
    // Moves the alerts that have left the first page to the older ones.
    const shown = new Set(items.map(keyOf));
    if (this.#older.length) this.#older = [...this.#newest.filter((a) => !shown.has(keyOf(a))), ...this.#older];
    else this.#cursor = cursor;
    this.#newest = items;
    this.#show();
  }

  async #more() {
    const { items, cursor } = await this.#api.alerts({ cursor: this.#cursor });
    this.#older.push(...items);
    this.#cursor = cursor;
    this.#show();
  }

  #show() {
    const alerts = [...this.#newest, ...this.#older];
    byId("alert-list").hidden = alerts.length === 0;
    byId("no-alerts").hidden = alerts.length > 0;
    byId("more-alerts").hidden = this.#cursor === null;
    reconcile(byId("alert-list"), alerts, keyOf, (alert) => this.#item(alert), (item, { ts }) => {
      showTime(part(item, "time"), ts);
    });
  }

  #item({ device_id: id, metric, state, value, unit, threshold }) {
    const item = fill("alert-item");
    put(part(item, "state"), state === "raised" ? "Raised" : "Cleared");
    part(item, "state").classList.toggle("raised", state === "raised");
    put(part(item, "device"), id);
    part(item, "device").addEventListener("click", () => this.#onPick(id));
    const side = state === "raised" ? "above" : "below";
    put(part(item, "what"), `${metric} ${measured(value, unit)}, ${side} ${measured(threshold, unit)}`);
    return item;
  }
}

const keyOf = ({ device_id: id, metric, state, ts }) => `${ts} ${id} ${metric} ${state}`;
