/** The page: which view is shown, to whom. */

import { Api } from "./api.js";
import { PremiumView } from "./premium-view.js";
import { accountViews } from "./shared/account.js";
import { Aws } from "./shared/aws.js";
import { Session, UserPool } from "./shared/cognito.js";
import { showView, tell, warn } from "./shared/page.js";
import { start } from "./shared/start.js";
import { VideoView } from "./video-view.js";
import { VideosView } from "./videos-view.js";
import { date, price } from "./words.js";

const bar = document.getElementById("bar");

/** @param {import("./shared/aws.js").Config} config */
function run(config) {
  const userPool = new UserPool(new Aws(config), config.user_pool_client_id);
  const session = new Session(userPool);
  const api = new Api(config.api, session);
  const mailbox = config.console && `${config.console}/#mailbox`;
  // Where somebody is, and comes back to after a sign-in on the way.
  let wanted = "videos";
  let view = null;
  const account = accountViews({ userPool, session, mailbox, go, enter: () => go(wanted) });

  function viewAt(name, id) {
    if (name === "videos" && id) return new VideoView(api, session, id);
    if (name === "videos") return new VideosView("catalogue-view", (query) => api.videos(query), price);
    if (name === "library") return new VideosView("library-view", (query) => api.library(query), access);
    if (name === "premium") return new PremiumView(api, session);
    return null;
  }

  /** `videos`, `videos/<id>`, `library`, `premium` or an account's view; `/paid` at the end is the way back. */
  function route() {
    const [name, ...rest] = location.hash.slice(1).split("/");
    const paid = rest.at(-1) === "paid";
    const id = name === "videos" && rest[0] !== "paid" ? rest[0] : undefined;
    const signedIn = session.email !== null;
    view?.leave?.();
    view = null;
    showPerson();
    if (!signedIn && Object.hasOwn(account, name)) return show(account[name](), name);
    view = viewAt(name, id);
    if (!view) return replace("videos");
    wanted = id ? `videos/${id}` : name;
    if (!signedIn && name === "library") return replace("sign-in");
    show(view.element, name);
    view.enter(paid).then(entitle);
  }

  function replace(name) {
    history.replaceState(null, "", `#${name}`);
    route();
  }

  function showPerson() {
    const { email } = session;
    document.getElementById("email").textContent = email ?? "";
    document.getElementById("sign-out").hidden = !email;
    document.getElementById("sign-in").hidden = Boolean(email);
  }

  session.addEventListener("ended", ({ detail: problem }) => {
    go("sign-in");
    warn(problem);
  });
  document.getElementById("sign-out").addEventListener("click", async () => {
    await session.stop();
    route();
    tell("You are signed out.");
  });
  addEventListener("hashchange", route);
  // Back from paying by the browser's own button, the page is as it was left.
  addEventListener("pageshow", ({ persisted }) => persisted && route());
  bar.hidden = false;
  route();
}

function go(name) {
  if (location.hash === `#${name}`) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = name;
}

function show(element, name) {
  showView(element, name);
  entitle();
}

/** Names the window after what is shown. */
function entitle() {
  document.title = `${document.querySelector("main h1").textContent} · MyVideos`;
}

/** Why somebody may watch a film. */
function access({ access: by, until }) {
  return by === "purchase" ? "Bought" : `Premium until ${date(until)}`;
}

start(run);
