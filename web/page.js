/** What the views share: templates, forms, questions and notices. */

import { words } from "./http.js";

/** A copy of the one element in the template *id*. @returns {HTMLElement} */
export function fill(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** The element in *root* that its template calls *name*. @returns {HTMLElement} */
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

/** Runs *action* when *form* is sent, one at a time, and tells in the form what went wrong. */
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
      error.textContent = words(problem);
    } finally {
      form.ariaBusy = "false";
      if (error.hasChildNodes()) error.scrollIntoView({ block: "nearest" });
    }
  });
}

/** Asks in a dialog; Esc is no. @returns {Promise<boolean>} */
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

/** Tells what was done; with an *action*, offers it, and stays. @param {{verb: string, run: () => void}} [action] */
export function tell(text, action) {
  const notice = show("status", text, action);
  if (!action) setTimeout(() => notice.remove(), 6000);
}

/** Tells what went wrong, until it is closed. */
export function warn(problem) {
  show("alert", words(problem));
}

export function hush() {
  document.querySelectorAll(".notice").forEach((notice) => notice.remove());
}

function show(region, text, action) {
  hush();
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

/** Shows *problem* in *region* with a button that runs *again*. */
export function offerAgain(region, problem, again) {
  const text = document.createElement("p");
  text.textContent = words(problem);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Try again";
  button.addEventListener("click", again);
  region.replaceChildren(text, button);
}
