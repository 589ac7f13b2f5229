/** A list of films with pages: the catalogue, or the films that the user may watch. */

import { fill, offerRetry, part } from "./shared/page.js";
import { length } from "./words.js";

export class VideosView {
  #load;
  #remark;
  #cursor = null;
  #loading = new AbortController();

  /**
   * @param {string} template
   * @param {(query: {cursor: ?string, signal: AbortSignal}) => Promise<{items: object[], cursor: ?string}>} load
   * @param {(video: import("./api.js").Video) => string} remark the text beside the length of a film
   */
  constructor(template, load, remark) {
    this.#load = load;
    this.#remark = remark;
    this.element = fill(template);
    this.#part("more").addEventListener("click", () => this.#show({ more: true }));
  }

  /** Called each time the view is shown. */
  enter() {
    return this.#show();
  }

  #part(name) {
    return part(this.element, name);
  }

  async #show({ more = false } = {}) {
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    const list = this.#part("list");
    this.#part("failure").replaceChildren();
    this.#part("empty").hidden = this.#part("more").hidden = true;
    if (more || !list.hasChildNodes()) this.#part("waiting").textContent = "Loading…";
    try {
      const { items, cursor } = await this.#load({ cursor: more ? this.#cursor : null, signal });
      if (signal.aborted) return;
      const cards = items.map((video) => this.#card(video));
      if (more) list.append(...cards);
      else list.replaceChildren(...cards);
      this.#cursor = cursor;
      this.#part("more").hidden = cursor === null;
      this.#part("empty").hidden = list.hasChildNodes() || cursor !== null;
      if (more) cards[0]?.querySelector("a").focus();
    } catch (problem) {
      if (!signal.aborted) offerRetry(this.#part("failure"), problem, () => this.#show({ more }));
    } finally {
      if (!signal.aborted) this.#part("waiting").textContent = "";
    }
  }

  /** @param {import("./api.js").Video} video */
  #card(video) {
    const card = fill("video-card");
    part(card, "poster").src = video.poster;
    part(card, "link").href = `#videos/${video.id}`;
    part(card, "link").textContent = video.title;
    part(card, "length").textContent = length(video.duration);
    part(card, "remark").textContent = this.#remark(video);
    return card;
  }
}
