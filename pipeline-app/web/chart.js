/** A metric over time: the mean of each hour in the band of its minimum and maximum, and live readings. */

import uPlot from "./vendor/uplot-1.6.32.js";

const DAY = 86_400;
const DATE = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" });
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/**
 * @typedef {{times: number[], min: (number|null)[], max: (number|null)[], avg: (number|null)[], live: (number|null)[]}} Series
 * *times* are seconds since 1970, ascending
 */

export class Chart {
  #element;
  #plot = null;
  #span = null;
  #unit = "";
  #data = [[], [], [], [], []];

  /** @param {HTMLElement} element that the chart fills */
  constructor(element) {
    this.#element = element;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** @param {Series} series @param {[number, number]} span first and last second to show */
  show({ times, min, max, avg, live }, span, unit) {
    this.#data = [times, min, max, avg, live];
    this.#span = span;
    if (this.#plot && this.#unit === unit) return this.#plot.setData(this.#data);
    this.#unit = unit;
    this.#draw();
  }

  #size() {
    return { width: this.#element.clientWidth, height: this.#element.clientHeight };
  }

  /** Draws the chart again. A canvas does not inherit the colours of the page, so a change of them needs this too. */
  #draw() {
    this.#plot?.destroy();
    this.#plot = null;
    if (!this.#span) return;
    const style = getComputedStyle(this.#element);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: color("soft"),
      font: FONT,
      grid: { stroke: color("line"), width: 1 },
      ticks: { stroke: color("line"), width: 1 },
    };
    const band = { stroke: "transparent", points: { show: false } };
    const options = {
      ...this.#size(),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { range: () => this.#span }, y: { range: (_, least, most) => withRoom(least, most) } },
      axes: [{ ...axis, values: (_, moments, __, ___, step) => moments.map((at) => label(at, step)) }, { ...axis, size: 56, label: this.#unit, labelSize: 20, labelFont: FONT }],
      series: [
        {},
        { ...band, label: "Minimum" },
        { ...band, label: "Maximum" },
        {
          label: "Mean",
          stroke: color("accent"),
          width: 2,
          points: { show: true, size: 4, fill: color("accent") },
          spanGaps: true,
        },
        {
          label: "Now",
          stroke: color("amber"),
          width: 1.5,
          points: { show: true, size: 5, fill: color("amber") },
          spanGaps: true,
        },
      ],
      bands: [{ series: [2, 1], fill: translucent(color("accent")) }],
    };
    this.#plot = new uPlot(options, this.#data, this.#element);
  }
}

/** A label of the time axis in UTC, as exact as the *step* to the next one needs; the date where a day starts. */
function label(seconds, step) {
  const text = new Date(seconds * 1000).toISOString();
  if (step >= DAY || seconds % DAY === 0) return DATE.format(seconds * 1000);
  return text.slice(11, step < 60 ? 19 : 16);
}

/** The range of the value axis, with room above and below, also for a single value and for none. */
function withRoom(least, most) {
  if (least === null) return [0, 1];
  const room = (most - least) * 0.1 || Math.abs(most) * 0.01 || 1;
  return [least - room, most + room];
}

function translucent(hex) {
  return `${hex}2e`;
}
