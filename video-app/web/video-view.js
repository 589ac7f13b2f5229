/** One film: the player for users who may watch it, or an offer for others. */

import { linkToPayment, payment, PAYMENT_PENDING } from "./checkout.js";
import { Player } from "./player.js";
import { fill, notify, offerRetry, part } from "./shared/page.js";
import { date, length, price } from "./words.js";

export class VideoView {
  #api;
  #session;
  #id;
  #video = null;
  #player = null;
  #leaving = new AbortController();

  /** @param {import("./api.js").Api} api @param {import("./shared/cognito.js").Session} session @param {string} id */
  constructor(api, session, id) {
    this.#api = api;
    this.#session = session;
    this.#id = id;
    this.element = fill("video-view");
  }

  /** Shows the film. After a payment, with *paid*, waits for it to arrive. */
  async enter(paid) {
    this.#part("waiting").textContent = "Loading…";
    this.#part("failure").replaceChildren();
    try {
      this.#video = await this.#api.video(this.#id);
      this.#describe();
      if (!this.#session.email) this.#offerSignIn();
      else if (paid) await this.#welcome();
      else await this.#open();
    } catch (problem) {
      if (problem.name !== "AbortError") offerRetry(this.#part("failure"), problem, () => this.enter(paid));
    } finally {
      this.#part("waiting").textContent = "";
    }
  }

  leave() {
    this.#leaving.abort();
    this.#player?.close();
  }

  #part(name) {
    return part(this.element, name);
  }

  #describe() {
    const { title, description, duration, poster, published_at: published } = this.#video;
    this.#part("title").textContent = title;
    this.#part("facts").textContent = `${length(duration)} · Added ${date(published)}`;
    this.#part("description").textContent = description;
    if (!this.#player) this.#showPoster(poster);
  }

  #showPoster(poster) {
    const picture = fill("poster");
    picture.src = poster;
    this.#part("screen").replaceChildren(picture);
  }

  /** Shows the player, or an offer if the user may not watch the film. */
  async #open() {
    if (await this.#tryToPlay()) return;
    if (this.#video.status === "withdrawn") this.#refuse("This film is no longer for sale.");
    else this.#offer("Buy this film to watch it, or get premium to watch every film.");
  }

  async #welcome() {
    this.#part("waiting").textContent = "Waiting for your payment to arrive…";
    const arrived = await payment(() => this.#tryToPlay(), this.#leaving.signal);
    if (this.#leaving.signal.aborted) return;
    history.replaceState(null, "", `#videos/${this.#id}`);
    if (arrived) notify("Thank you. Enjoy the film.");
    else this.#offer(PAYMENT_PENDING);
  }

  async #tryToPlay() {
    const screen = fill("player");
    screen.poster = this.#video.poster;
    screen.ariaLabel = this.#video.title;
    const player = new Player(screen, this.#api, this.#id);
    player.addEventListener("refused", () => {
      this.#showPoster(this.#video.poster);
      this.#offer("Your access to this film has ended.");
      this.#part("offer").querySelector("a, button").focus();
    });
    player.addEventListener("failed", ({ detail }) => {
      this.#showPoster(this.#video.poster);
      offerRetry(this.#part("failure"), detail, () => this.enter());
    });
    this.#player?.close();
    this.#player = player;
    try {
      await player.open();
    } catch (problem) {
      player.close();
      if (problem.code === "NotEntitled") return false;
      throw problem;
    }
    this.#part("screen").replaceChildren(screen);
    this.#part("offer").replaceChildren();
    return true;
  }

  #offerSignIn() {
    const offer = fill("sign-in-offer");
    part(offer, "price").textContent = price(this.#video);
    this.#part("offer").replaceChildren(offer);
  }

  #offer(text) {
    const offer = fill("buy-offer");
    part(offer, "text").textContent = text;
    part(offer, "buy").textContent = `Buy for ${price(this.#video)}`;
    linkToPayment(part(offer, "buy"), (key) => this.#api.buy(this.#id, key), part(offer, "error"));
    this.#part("offer").replaceChildren(offer);
  }

  #refuse(text) {
    const refusal = document.createElement("p");
    refusal.textContent = text;
    this.#part("offer").replaceChildren(refusal);
  }
}
