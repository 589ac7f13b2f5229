/** The page: which view is shown, to whom. */

import { accountViews } from "./shared/account.js";
import { Api } from "./api.js";
import { Aws, loadConfig } from "./shared/aws.js";
import { Session, UserPool } from "./shared/cognito.js";
import { FilesView } from "./files-view.js";
import { Folder } from "./files.js";
import { offerAgain, tell, warn } from "./shared/page.js";
import { TodosView } from "./todos-view.js";

const main = document.getElementById("main");
const bar = document.getElementById("bar");

/** @param {import("./shared/aws.js").Config} config */
function start(config) {
  const aws = new Aws(config);
  const userPool = new UserPool(aws, config.user_pool_client_id);
  const session = new Session(userPool);
  const api = new Api(config.api, session);
  const mailbox = config.console && `${config.console}/#mailbox`;
  const account = accountViews({ userPool, session, mailbox, go, enter: () => go("todos") });
  // Made once a session, so that an upload goes on while the todos are looked at.
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
    show(name, signedIn ? ownView(name) : account[name]());
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
    tell("You are signed out.");
  });
  addEventListener("hashchange", route);
  route();
}

function go(name) {
  location.hash = name;
}

function show(name, element) {
  const first = main.querySelector("h1") === null;
  main.replaceChildren(element);
  const heading = main.querySelector("h1");
  document.title = `${heading.textContent} · MyTodoList`;
  for (const link of bar.querySelectorAll("nav a")) {
    link.ariaCurrent = link.hash === `#${name}` ? "page" : null;
  }
  // A new view is announced by its heading, as a new page would be.
  if (!first) heading.focus();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

loadConfig().then(start, (problem) => {
  const failure = document.createElement("div");
  failure.className = "starting";
  offerAgain(failure, problem, () => location.reload());
  main.replaceChildren(failure);
});
