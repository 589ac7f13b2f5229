/** Functions that the views share: templates, updates in place, and failures. */

import { Problem, Unreachable } from "./shared/http.js";

/** @returns {HTMLElement} */
export const byId = (id) => document.getElementById(id);

/** A copy of the one element in the template *id*. @returns {HTMLElement} */
export const fill = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** The element in *root* with the data-part *name*. @returns {HTMLElement} */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** Sets the text only if it changes, so that a selection in it stays. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes *parent* show *items* in order. Keeps the element of an item that stays, with its focus. */
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

/** Runs *action* and shows its failure. The next refresh tries again. */
export async function attempt(action) {
  try {
    await action();
  } catch (problem) {
    showFailure(problem);
  }
}

/** Describes *problem*. This page retries by itself, so it does not ask the user to. */
function words(problem) {
  if (problem instanceof Unreachable) return "The service does not respond. The page tries again in a few seconds.";
  if (problem instanceof Problem) return problem.message;
  console.error(problem);
  return "Something went wrong on this page. Please load it again.";
}

/** Shows *problem* at the top of the page. Without one, hides the message. */
export function showFailure(problem) {
  put(byId("failure"), problem ? words(problem) : "");
}
