/** The page: shows the view that the hash of the address names. */

import { accountViews } from "./shared/account.js";
import { Api } from "./api.js";
import { Aws } from "./shared/aws.js";
import { Session, UserPool } from "./shared/cognito.js";
import { FilesView } from "./files-view.js";
import { Folder } from "./files.js";
import { notify, showView, warn } from "./shared/page.js";
import { start } from "./shared/start.js";
import { TodosView } from "./todos-view.js";

const bar = document.getElementById("bar");

/** @param {import("./shared/aws.js").Config} config */
function run(config) {
  const aws = new Aws(config);
  const userPool = new UserPool(aws, config.user_pool_client_id);
  const session = new Session(userPool);
  const api = new Api(config.api, session);
  const mailbox = config.console && `${config.console}/#mailbox`;
  const account = accountViews({ userPool, session, mailbox, go, enter: () => go("todos") });
  // Made once for each session, so that an upload continues while the todos are shown.
  let own = null;

  function ownView(name) {
    own ??= { todos: new TodosView(api), files: new FilesView(new Folder(aws, api, session)) };
    own[name].enter();
    return own[name].element;
  }

  function route() {
    const asked = location.hash.slice(1);
    const signedIn = session.email !== null;
    const name = signedIn ? (asked === "files" ? "files" : "todos") : Object.hasOwn(account, asked) ? asked : "sign-in";
    if (name !== asked) history.replaceState(null, "", `#${name}`);
    bar.hidden = !signedIn;
    document.getElementById("email").textContent = session.email ?? "";
    const view = signedIn ? ownView(name) : account[name]();
    document.title = `${view.querySelector("h1").textContent} · MyTodoList`;
    showView(view, name);
  }

  function leave() {
    own = null;
    go("sign-in");
  }

  session.addEventListener("ended", (event) => {
    leave();
    warn(event.detail);
  });
  document.getElementById("sign-out").addEventListener("click", () => {
    session.stop();
    leave();
    notify("You are signed out.");
  });
  session.restore().then(() => {
    session.addEventListener("started", route);
    addEventListener("hashchange", route);
    route();
  });
}

function go(name) {
  location.hash = name;
}

start(run);
