/** The REST API of MyVideos. */

import { RestApi } from "./shared/rest.js";

/**
 * @typedef {object} Video
 * @property {string} id
 * @property {string} title
 * @property {string} description
 * @property {number} duration in seconds
 * @property {number} price in the smallest unit of the currency
 * @property {string} currency
 * @property {string} poster a path on this site
 * @property {string} published_at
 * @property {"published" | "withdrawn"} status
 *
 * @typedef {{plan: "month" | "year", days: number, price: number, currency: string}} Plan
 * @typedef {{premium: boolean, plan: string | null, until: string | null}} Membership
 * @typedef {{id: string, url: string}} Checkout where to pay
 */

const SENTENCES = {
  404: "This film is not here. It may have been withdrawn.",
  AlreadyBought: "You have bought this film already.",
};

export class Api {
  #rest;

  /** @param {string} base @param {import("./shared/cognito.js").Session} session */
  constructor(base, session) {
    this.#rest = new RestApi(base, session, SENTENCES);
  }

  /** @returns {Promise<{items: Video[], cursor: string | null}>} all that is sold, the newest first */
  videos({ cursor, signal }) {
    return this.#rest.call("GET", `/videos${page(cursor)}`, { signal, again: true, open: true });
  }

  /** @returns {Promise<Video>} */
  video(id) {
    return this.#rest.call("GET", `/videos/${encodeURIComponent(id)}`, { again: true, open: true });
  }

  /**
   * What the person signed in may watch, and why.
   * @returns {Promise<{items: (Video & {access: "premium" | "purchase", until?: string})[], cursor: string | null}>}
   */
  library({ cursor, signal }) {
    return this.#rest.call("GET", `/library${page(cursor)}`, { signal, again: true });
  }

  /** @returns {Promise<{items: Plan[]}>} */
  plans() {
    return this.#rest.call("GET", "/plans", { again: true, open: true });
  }

  /** @returns {Promise<Membership>} */
  membership() {
    return this.#rest.call("GET", "/premium", { again: true });
  }

  /** Begins to pay for a plan; a second call with the same *key* is the first one's. @returns {Promise<Checkout>} */
  subscribe(plan, key) {
    const headers = { "Idempotency-Key": key };
    return this.#rest.call("POST", "/premium/checkout", { body: { plan }, headers, again: true });
  }

  /** Begins to pay for a film; a second call with the same *key* is the first one's. @returns {Promise<Checkout>} */
  buy(id, key) {
    const path = `/videos/${encodeURIComponent(id)}/checkout`;
    return this.#rest.call("POST", path, { headers: { "Idempotency-Key": key }, again: true });
  }

  /**
   * Opens the parts of a film to this browser, by cookies. A Problem with the code NotEntitled when it is not paid for.
   * @returns {Promise<{url: string, expires_at: string}>} its playlist
   */
  async session(id) {
    const path = `/videos/${encodeURIComponent(id)}/session`;
    const { playlist: url, expires_at } = await this.#rest.call("POST", path, { again: true });
    return { url, expires_at };
  }

  /** A link to a film in one file. A Problem as above. @returns {Promise<{url: string, expires_at: string}>} */
  link(id) {
    return this.#rest.call("GET", `/videos/${encodeURIComponent(id)}/link`, { again: true });
  }
}

const page = (cursor) => (cursor ? `?${new URLSearchParams({ cursor })}` : "");
