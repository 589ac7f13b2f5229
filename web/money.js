/** Amounts of money as text. */

// The currencies that Stripe does not count in hundredths: https://docs.stripe.com/currencies#minor-units. Not those of
// ISO 4217: for Stripe, 100000 HUF are Ft 1,000. A test compares this file with common/money.py.
const DECIMALS = {
  ...byCode("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF", 0),
  ...byCode("BHD JOD KWD OMR TND", 3),
};
// Prices in these currencies usually have no decimals. The data of browsers differ, so this is our own.
const USUALLY_WHOLE = "AFN ALL COP HUF IDR ISK LAK LBP MMK PKR RSD SOS STD UGX YER".split(" ");

/**
 * For example `$2.99`, or `¥500` for a currency without decimals.
 * @param {number} amount in the smallest unit of *currency*, as Stripe counts it
 * @param {string} currency an ISO 4217 code
 */
export function money(amount, currency) {
  const code = currency.toUpperCase();
  const decimals = DECIMALS[code] ?? 2;
  const value = amount / 10 ** decimals;
  const digits = USUALLY_WHOLE.includes(code) && Number.isInteger(value) ? 0 : decimals;
  const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const format = { style: "currency", currency, currencyDisplay: "narrowSymbol", ...shown };
  return new Intl.NumberFormat("en-GB", format).format(value);
}

function byCode(codes, decimals) {
  return Object.fromEntries(codes.split(" ").map((code) => [code, decimals]));
}
