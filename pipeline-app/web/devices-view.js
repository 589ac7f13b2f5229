/** The list of devices, page by page and ordered by name, with a search by prefix. */

import { attempt, byId, fill, part, put, reconcile } from "./page.js";
import { choice, choose } from "./choices.js";
import { measured, showTime } from "./format.js";

const PAGE = 50;
/** Milliseconds between the last key and the search, so that a word is one search. */
const DEBOUNCE = 250;

export class DevicesView {
  #api;
  #onPick;
  #prefix = "";
  #picked = choice("device");
  /** The cursors of the pages up to the current one. The first page has none. */
  #cursors = [null];
  #next = null;
  #lastRequest = 0;

  /** @param {import("./api.js").Api} api @param {(id: string) => void} onPick */
  constructor(api, onPick) {
    this.#api = api;
    this.#onPick = onPick;
    let typing;
    byId("prefix").value ||= choice("prefix"); // the user typed before this script ran, or the browser restored it
    this.#prefix = byId("prefix").value.trim();
    byId("prefix").addEventListener("input", ({ target }) => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#search(target.value.trim()), DEBOUNCE);
    });
    byId("next").addEventListener("click", () => this.#turn([...this.#cursors, this.#next]));
    byId("previous").addEventListener("click", () => this.#turn(this.#cursors.slice(0, -1)));
  }

  /** Requests the current page again. */
  async refresh() {
    const request = ++this.#lastRequest;
    const query = { prefix: this.#prefix, cursor: this.#cursors.at(-1), limit: PAGE };
    const { items, cursor } = await this.#api.devices(query);
    if (request !== this.#lastRequest) return; // another page has been requested meanwhile
    this.#next = cursor;
    this.#show(items);
  }

  /** Marks the open device in the list. */
  pick(id) {
    this.#picked = id;
    for (const item of byId("device-list").children) this.#mark(item);
  }

  #search(prefix) {
    this.#prefix = prefix;
    choose("prefix", prefix);
    this.#turn([null]);
  }

  #turn(cursors) {
    this.#cursors = cursors;
    byId("device-list").scrollTop = 0;
    attempt(() => this.refresh());
  }

  /** @param {import("./api.js").Device[]} devices */
  #show(devices) {
    if (!this.#picked && devices.length) this.#onPick(devices[0].device_id);
    reconcile(byId("device-list"), devices, ({ device_id: id }) => id, (device) => this.#item(device), update);
    for (const item of byId("device-list").children) this.#mark(item);
    byId("no-devices").hidden = devices.length > 0;
    put(
      byId("no-devices"),
      this.#prefix ? `No device's name begins with “${this.#prefix}”.` : "No device has sent anything yet.",
    );
    byId("paging").hidden = this.#cursors.length === 1 && !this.#next;
    byId("previous").disabled = this.#cursors.length === 1;
    byId("next").disabled = !this.#next;
    put(byId("page-number"), `Page ${this.#cursors.length}`);
  }

  #item({ device_id: id }) {
    const item = fill("device-item");
    put(part(item, "name"), id);
    item.firstElementChild.addEventListener("click", () => this.#onPick(id));
    return item;
  }

  #mark(item) {
    item.firstElementChild.ariaPressed = String(item.dataset.key === this.#picked);
  }
}

/** @param {HTMLElement} item @param {import("./api.js").Device} device */
function update(item, { last_seen: seen, metrics, alerts }) {
  showTime(part(item, "seen"), seen);
  part(item, "alerts").hidden = !alerts.length;
  part(item, "alerts").classList.toggle("raised", alerts.length > 0);
  put(part(item, "alerts"), alerts.length === 1 ? "1 alert" : `${alerts.length} alerts`);
  const values = Object.entries(metrics).sort().map(([name, { value, unit }]) => `${name} ${measured(value, unit)}`);
  put(part(item, "values"), values.join(" · "));
}
