/** The page: shows the view that the hash of the address names. */

import { Api } from "./api.js";
import { PremiumView } from "./premium-view.js";
import { accountViews } from "./shared/account.js";
import { Aws } from "./shared/aws.js";
import { Session, UserPool } from "./shared/cognito.js";
import { notify, showView, warn } from "./shared/page.js";
import { start } from "./shared/start.js";
import { VideoView } from "./video-view.js";
import { VideosView } from "./videos-view.js";
import { date, price } from "./words.js";

const NOTHING = { bought: new Set(), premium: false };

const bar = document.getElementById("bar");

/** @param {import("./shared/aws.js").Config} config */
function run(config) {
  const userPool = new UserPool(new Aws(config), config.user_pool_client_id);
  const session = new Session(userPool);
  const api = new Api(config.api, session);
  const mailbox = config.console && `${config.console}/#mailbox`;
  // The hash to return to after a sign-in.
  let returnTo = "videos";
  let view = null;
  const account = accountViews({ userPool, session, mailbox, go, enter: () => go(returnTo) });

  function viewAt(name, id) {
    if (name === "videos" && id) return new VideoView(api, session, id);
    if (name === "videos") return new VideosView("catalogue-view", catalogue(), offer);
    if (name === "library") return new VideosView("library-view", (query) => api.library(query), access);
    if (name === "premium") return new PremiumView(api, session);
    return null;
  }

  /** Returns what loads pages of the catalogue, with the access that the user has to each film. */
  function catalogue() {
    let owned = NOTHING; // read with the first page
    return async (query) => {
      if (!query.cursor) owned = session.email ? api.owned(query).catch(() => NOTHING) : NOTHING;
      const [{ items, cursor }, { bought, premium }] = await Promise.all([api.videos(query), owned]);
      const access = ({ id }) => (bought.has(id) ? "purchase" : premium ? "premium" : null);
      return { items: items.map((video) => ({ ...video, access: access(video) })), cursor };
    };
  }

  /**
   * Shows the view that the hash names: `videos`, `videos/<id>`, `library`, `premium` or a view for accounts. After a
   * payment the hash ends in `/paid`.
   */
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
    returnTo = id ? `videos/${id}` : name;
    if (!signedIn && name === "library") return replace("sign-in");
    show(view.element, name);
    view.enter(paid).then(setTitle);
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
    notify("You are signed out.");
  });
  // The browser's Back button restores the page as it was before the payment, so this updates it.
  addEventListener("pageshow", ({ persisted }) => persisted && route());
  session.restore().then(() => {
    session.addEventListener("started", () => (Object.hasOwn(account, location.hash.slice(1)) ? go(returnTo) : route()));
    addEventListener("hashchange", route);
    bar.hidden = false;
    route();
  });
}

function go(name) {
  if (location.hash === `#${name}`) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = name;
}

function show(element, name) {
  showView(element, name);
  setTitle();
}

/** Sets the title of the window to the heading. */
function setTitle() {
  document.title = `${document.querySelector("main h1").textContent} · MyVideos`;
}

/** Says what a film costs, unless the user may watch it. */
function offer(video) {
  return { purchase: "Bought", premium: "Included in premium" }[video.access] ?? price(video);
}

/** Says why the user may watch a film. */
function access({ access: by, until }) {
  return by === "purchase" ? "Bought" : `Premium until ${date(until)}`;
}

start(run);
