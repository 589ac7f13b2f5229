/**
 * What the reader has chosen, in the query of the page's address: the page shows it again after a reload, and a link
 * to it shows the same to another reader.
 */

import { reconcile } from "./page.js";

const choices = new URLSearchParams(location.search);

/** The choice with this name, or an empty string if there is none. */
export function choice(name) {
  return choices.get(name) ?? "";
}

/** Remembers a choice. An empty *value* forgets it. */
export function choose(name, value) {
  if (value) choices.set(name, value);
  else choices.delete(name);
  const query = choices.toString();
  history.replaceState(null, "", `${location.pathname}${query && `?${query}`}${location.hash}`);
}

/**
 * Fills a select element with days, newest first. It shows the day of the choice *name*. Without this choice it shows
 * the newest day, also when a newer one comes.
 */
export function fillDays(element, days, name) {
  reconcile(element, days, (day) => day, (day) => new Option(day, day));
  element.selectedIndex = Math.max(days.indexOf(choice(name)), days.length ? 0 : -1);
  element.parentElement.hidden = days.length === 0;
  return element;
}

/** Remembers the day that the reader picks in a select element. The newest day is no choice. */
export function chooseDay(element, name) {
  choose(name, element.selectedIndex > 0 ? element.value : "");
}
