/** What the pages that show live data share. */

/** @returns {HTMLElement} */
export const byId = (id) => document.getElementById(id);

/**
 * Makes the children of *parent* show *items* in order. The element of an item that was there before is kept, with its
 * focus and selection.
 * @template Item
 * @param {HTMLElement} parent
 * @param {Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => HTMLElement} make
 * @param {(element: HTMLElement, item: Item) => void} [update] called for new and kept elements
 */
export function reconcile(parent, items, keyOf, make, update = () => {}) {
  const known = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = known.get(key) ?? make(item);
    known.delete(key);
    element.dataset.key = key;
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
    update(element, item);
  }
  for (const element of known.values()) element.remove();
}

const answers = new Map();

/** An answer with the status of an error. Its message is the server's, if that says one. */
export class Refused extends Error {}

/** Returns the Refused for an answer to a request of *path*. @param {string} path @param {Response} answer */
export async function refusal(path, answer) {
  const said = await answer.json().catch(() => null);
  return new Refused(said?.message ?? `${path} answers ${answer.status}`);
}

/**
 * Gets *path*, and calls *show* if the answer differs from the last one with this *key*. Throws Refused for the status of
 * an error, and another error without an answer.
 * @param {string} path
 * @param {(value: any) => void} show
 * @param {{key?: string, milliseconds?: number}} [options] the answer may take so many milliseconds
 */
export async function poll(path, show, { key = path, milliseconds = 10_000 } = {}) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(milliseconds) });
  if (!answer.ok) throw await refusal(path, answer);
  const text = await answer.text();
  if (answers.get(key) === text) return;
  show(JSON.parse(text));
  answers.set(key, text);
}

/** Lets `poll` show the next answers, even if they are the same as the last ones. */
export function forgetAnswers() {
  answers.clear();
}

export const UNREACHABLE = "Not reachable, trying again";

/** Says in the bar whether the page is "Live". @param {string} text */
export function showState(text) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("live", text === "Live");
}

/** Calls *refresh* after each *pause* of so many milliseconds, while the page is visible. */
export async function repeat(refresh, pause) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (document.visibilityState === "visible") await refresh();
  }
}
