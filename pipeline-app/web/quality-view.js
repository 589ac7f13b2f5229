/** The outcomes of the records of a day as a sum, and the reasons of the bad ones. */

import { attempt, byId, fill, part, put, reconcile } from "./page.js";
import { chooseDay, fillDays } from "./choices.js";
import { reason, whole } from "./format.js";

const KINDS = ["accepted", "duplicates", "bad"];

export class QualityView {
  #api;
  #days = [];
  #lastRequest = 0;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.#api = api;
    byId("quality-day").addEventListener("change", ({ target }) => {
      chooseDay(target, "quality");
      attempt(() => this.refresh(this.#days));
    });
  }

  /** @param {string[]} days that the report has, newest first */
  async refresh(days) {
    this.#days = days;
    const element = byId("quality-day");
    fillDays(element, days, "quality");
    const request = ++this.#lastRequest;
    const quality = element.value ? await this.#api.quality(element.value) : undefined;
    if (request !== this.#lastRequest) return; // another day has been chosen meanwhile
    byId("outcomes").hidden = !quality;
    byId("no-quality").hidden = Boolean(quality);
    if (quality) show(quality);
  }
}

/** @param {import("./api.js").Quality} quality */
function show({ received, accepted, duplicates, bad }) {
  const outcomes = byId("outcomes");
  const reasons = Object.entries(bad).sort(([, a], [, b]) => b - a);
  const counts = { received, accepted, duplicates, bad: reasons.reduce((sum, [, count]) => sum + count, 0) };
  for (const [kind, count] of Object.entries(counts)) put(part(outcomes, kind), whole(count));
  for (const kind of KINDS) outcomes.querySelector(`.shares .${kind}`).style.flexGrow = counts[kind];
  const missing = received - KINDS.reduce((sum, kind) => sum + counts[kind], 0);
  put(
    part(outcomes, "verdict"),
    missing === 0
      ? "✓ Every record is accounted for: none is lost, none is counted twice."
      : `✗ ${whole(Math.abs(missing))} records ${missing > 0 ? "are not accounted for" : "are counted twice"}.`,
  );
  part(outcomes, "verdict").classList.toggle("broken", missing !== 0);
  part(outcomes, "reasons").hidden = reasons.length === 0;
  reconcile(byId("reason-rows"), reasons, ([code]) => code, () => fill("reason-row"), (row, [code, count]) => {
    put(part(row, "words"), reason(code));
    put(part(row, "reason"), code);
    put(part(row, "count"), whole(count));
  });
}
