/** Functions that the views share: templates, updates in place, and failures. */

import { byId } from "./shared/board.js";
import { Problem, Unreachable } from "./shared/http.js";

export { byId, reconcile, showState } from "./shared/board.js";
export { fill, part } from "./shared/page.js";

/** Sets the text only if it changes, so that a selection in it stays. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
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
