/** Numbers, units, times and reasons as text for people. Days are UTC days, as in the reports. */

const number = (digits) => new Intl.NumberFormat("en-GB", { maximumFractionDigits: digits });
const WHOLE = number(0);
const TIME = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", dateStyle: "medium", timeStyle: "medium" });
const SHOWN = { C: "°C", F: "°F" };

export const whole = (value) => WHOLE.format(value);

/** A value with three or four significant digits and its unit: 46.2 °C, 1,013 hPa. */
export function measured(value, unit = "") {
  const [size, name] = unit === "Pa" && Math.abs(value) >= 1000 ? [value / 100, "hPa"] : [value, SHOWN[unit] ?? unit];
  return `${plain(size)} ${name}`.trim();
}

/** A number with three or four significant digits. */
export function plain(value) {
  const size = Math.abs(value);
  if (size >= 1e9 || (size > 0 && size < 1e-4)) return value.toPrecision(3);
  return number(size >= 1000 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4).format(value);
}

/** "4 s ago"; *now* in milliseconds. */
export function ago(iso, now = Date.now()) {
  const seconds = (now - Date.parse(iso)) / 1000;
  return seconds < 1 ? "just now" : `${duration(seconds < 10 ? Math.floor(seconds) : seconds)} ago`;
}

/** A duration in one unit. */
export function duration(seconds) {
  if (seconds < 10) return `${number(1).format(seconds)} s`;
  if (seconds < 120) return `${WHOLE.format(seconds)} s`;
  if (seconds < 7200) return `${WHOLE.format(seconds / 60)} min`;
  if (seconds < 172_800) return `${WHOLE.format(seconds / 3600)} h`;
  return `${WHOLE.format(seconds / 86_400)} days`;
}

/** Shows in *element*, a `time`, how long ago *iso* was. The exact time is the tooltip. */
export function showTime(element, iso, text = ago(iso)) {
  if (element.textContent !== text) element.textContent = text;
  if (element.dateTime !== iso) {
    element.dateTime = iso;
    element.title = moment(iso);
  }
}

/** An exact time: 24 Nov 2026, 15:00:00 UTC. */
export const moment = (iso) => `${TIME.format(new Date(iso))} UTC`;

export function bytes(count) {
  if (count < 1000) return `${WHOLE.format(count)} B`;
  const step = Math.min(4, Math.floor(Math.log10(count) / 3));
  return `${number(1).format(count / 1000 ** step)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}

/** A value of any column of a report: a number, a time, a text, or counts by name. */
export function cell(value) {
  if (value == null || value === "") return "–";
  if (typeof value === "number") return plain(value);
  if (typeof value === "object") return Object.entries(value).map(([name, count]) => `${name} ${cell(count)}`).join(", ") || "–";
  const text = String(value);
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? text.replace("T", " ").replace(/(:00)?(\.\d+)?Z$/, "") : text;
}

const REASONS = {
  not_json: "Not JSON",
  not_utf8: "Not UTF-8",
  too_deep: "Nested too deep",
  not_an_object: "Not a JSON object",
  another_device: "Sent by another device",
  value_not_finite: "The value is not a finite number",
  ts_naive: "The time has no offset",
  ts_future: "The time is in the future",
  ts_before_1970: "The time is before 1970",
};

/** Describes a reason code of a bad record. */
export function reason(code) {
  const [, kind, field] = code.match(/^(missing|wrong)_(.+)$/) ?? [];
  if (kind) return kind === "missing" ? `No ${field}` : `A wrong ${field}`;
  return REASONS[code] ?? code.replaceAll("_", " ");
}
