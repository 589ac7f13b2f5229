/** Prices, lengths and dates as a person reads them. */

/** @param {{price: number, currency: string}} sold the price in the smallest unit of the currency */
export function price({ price: units, currency }) {
  const format = new Intl.NumberFormat("en-GB", { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  return format.format(units / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** 75 seconds are 1:15, and more than an hour is 1:00:15. */
export function length(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

export function date(iso) {
  return new Date(iso).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}
