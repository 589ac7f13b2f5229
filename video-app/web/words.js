/** Prices, lengths and dates as text. */

import { money } from "./shared/money.js";

/** @param {{price: number, currency: string}} sold a film or a plan */
export const price = (sold) => money(sold.price, sold.currency);

/** Returns a length as text: 1:15 for 75 seconds, 1:00:15 for more than an hour. */
export function length(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

export function date(iso) {
  return new Date(iso).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}
