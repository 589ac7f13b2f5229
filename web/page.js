/** For views: templates, forms, questions and notices. */

import { describe } from "./http.js";

/** Returns a copy of the one element in the template *id*. @returns {HTMLElement} */
export function fill(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Returns the element in *root* with `data-part="name"`. @returns {HTMLElement} */
export function part(root, name) {
  return root.querySelector(`[data-part="${name}"]`);
}

/** Shows *element* in the main part of the page, and marks the tab that leads to the view *name*. */
export function showView(element, name) {
  const main = document.getElementById("main");
  const first = main.querySelector("h1") === null;
  main.replaceChildren(element);
  for (const link of document.querySelectorAll("#bar nav a")) {
    link.ariaCurrent = link.hash === `#${name}` ? "page" : null;
  }
  // Focus makes a screen reader announce the heading, as it does for a new page.
  if (!first) main.querySelector("h1").focus();
}

/** Runs *action* when the user submits *form*, one run at a time. Shows an error in the form. */
export function onSubmit(form, action) {
  const error = part(form, "error");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    error.replaceChildren();
    try {
      await action(new FormData(form));
    } catch (problem) {
      error.textContent = describe(problem);
    } finally {
      form.ariaBusy = "false";
      if (error.hasChildNodes()) error.scrollIntoView({ block: "nearest" });
    }
  });
}

/** Asks *question* in a dialog; the button *verb* means yes, Esc means no. @returns {Promise<boolean>} */
export function ask(question, verb) {
  const dialog = document.getElementById("question");
  document.getElementById("question-text").textContent = question;
  document.getElementById("question-yes").textContent = verb;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/**
 * Shows a notice for six seconds. With an *action* it has a button, and stays until the user closes it.
 * @param {{verb: string, run: () => void}} [action]
 */
export function notify(text, action) {
  const notice = show("status", text, action);
  if (!action) setTimeout(() => notice.remove(), 6000);
}

/** Shows *problem* in a notice that stays until the user closes it. */
export function warn(problem) {
  show("alert", describe(problem));
}

/** Closes the notice, if there is one. */
export function dismiss() {
  document.querySelectorAll(".notice").forEach((notice) => notice.remove());
}

function show(region, text, action) {
  dismiss();
  const notice = fill("notice");
  part(notice, "text").textContent = text;
  part(notice, "close").addEventListener("click", () => notice.remove());
  if (action) {
    const button = part(notice, "action");
    button.hidden = false;
    button.textContent = action.verb;
    button.addEventListener("click", () => (notice.remove(), action.run()));
  }
  document.getElementById(region).append(notice);
  return notice;
}

/** Shows *problem* in *region* with a button that runs *retry*. */
export function offerRetry(region, problem, retry) {
  const text = document.createElement("p");
  text.textContent = describe(problem);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Try again";
  button.addEventListener("click", retry);
  region.replaceChildren(text, button);
}
