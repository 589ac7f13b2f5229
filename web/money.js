/** Amounts of money as text. */

/**
 * For example `$2.99`, or `¥500` for a currency without decimals.
 * @param {number} amount in the smallest unit of *currency*
 * @param {string} currency an ISO 4217 code
 */
export function money(amount, currency) {
  const format = new Intl.NumberFormat("en-GB", { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}
