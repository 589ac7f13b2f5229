/** The page where readers sign in. An administrator makes their accounts. */

import { accountViews } from "./shared/account.js";
import { Problem } from "./shared/http.js";
import { notify, showView, warn } from "./shared/page.js";
import { readers } from "./readers.js";
import { start } from "./shared/start.js";

/** @param {import("./shared/aws.js").Config} config */
async function run(config) {
  const people = readers(config);
  await people?.session.restore();
  if (!people || people.session.email !== null) return enter();
  people.session.addEventListener("started", enter);
  const mailbox = config.console && `${config.console}/#mailbox`;
  const views = accountViews({ ...people, mailbox, go, enter, invited: true });

  function route() {
    const asked = location.hash.slice(1);
    const name = Object.hasOwn(views, asked) ? asked : "sign-in";
    if (name !== asked) history.replaceState(null, "", `#${name}`);
    const view = views[name]();
    document.title = `${view.querySelector("h1").textContent} · Readings`;
    showView(view, name);
  }

  addEventListener("hashchange", route);
  route();
  explain(location.search.slice(1));
}

/** Says why the dashboard is not shown any more. */
function explain(reason) {
  if (reason === "ended") warn(new Problem("Your session has ended. Please sign in again."));
  if (reason === "signed-out") notify("You are signed out.");
}

function go(name) {
  location.hash = name;
}

function enter() {
  location.replace("./");
}

start(run);
