/** What the views share: templates, content that changes in place, and failures. */

import { Problem, Unreachable } from "./shared/http.js";

/** @returns {HTMLElement} */
export const byId = (id) => document.getElementById(id);

/** A copy of the one element in the template *id*. @returns {HTMLElement} */
export const fill = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** The element in *root* that its template calls *name*. @returns {HTMLElement} */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** Sets text only when it is another, so that a selection in it stays. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes *parent* show *items* in their order; the element of an item that stays is kept, with its focus. */
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

/** Does what a person asked for; what goes wrong is told, and the next refresh tries it again. */
export async function attempt(action) {
  try {
    await action();
  } catch (problem) {
    tellFailure(problem);
  }
}

/** Says *problem* as a sentence. This page asks again by itself, so it tells nobody to. */
function words(problem) {
  if (problem instanceof Unreachable) return "The service does not answer. The next try is on its way.";
  if (problem instanceof Problem) return problem.message;
  console.error(problem);
  return "Something went wrong on this page. Please load it again.";
}

/** Says *problem* on top of the page; null takes it away. */
export function tellFailure(problem) {
  put(byId("failure"), problem ? words(problem) : "");
}
