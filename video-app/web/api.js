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
 * @typedef {{id: string, url: string}} Checkout with the URL of the payment page
 */

const SENTENCES = {
  404: "This film is not available. It may have been withdrawn.",
  AlreadyBought: "You have already bought this film.",
};

export class Api {
  #rest;

  /** @param {string} base @param {import("./shared/cognito.js").Session} session */
  constructor(base, session) {
    this.#rest = new RestApi(base, session, SENTENCES);
  }

  /** @returns {Promise<{items: Video[], cursor: string | null}>} the films for sale, newest first */
  videos({ cursor, signal }) {
    return this.#rest.call("GET", `/videos${page(cursor)}`, { signal, retry: true, anonymous: true });
  }

  /** @returns {Promise<Video>} */
  video(id) {
    return this.#rest.call("GET", `/videos/${encodeURIComponent(id)}`, { retry: true, anonymous: true });
  }

  /**
   * Returns the films that the user may watch, and why.
   * @returns {Promise<{items: (Video & {access: "premium" | "purchase", until?: string})[], cursor: string | null}>}
   */
  library({ cursor, signal }) {
    return this.#rest.call("GET", `/library${page(cursor)}`, { signal, retry: true });
  }

  /**
   * Returns the ids of all films that the user has bought, and whether premium includes the others.
   * @returns {Promise<{bought: Set<string>, premium: boolean}>}
   */
  async owned({ signal }) {
    const bought = new Set();
    let cursor = null;
    do {
      const page = await this.library({ cursor, signal });
      for (const { id, access } of page.items) {
        if (access === "premium") return { bought, premium: true }; // the purchases come first
        bought.add(id);
      }
      cursor = page.cursor;
    } while (cursor);
    return { bought, premium: false };
  }

  /** @returns {Promise<{items: Plan[]}>} */
  plans() {
    return this.#rest.call("GET", "/plans", { retry: true, anonymous: true });
  }

  /** @returns {Promise<Membership>} */
  membership() {
    return this.#rest.call("GET", "/premium", { retry: true });
  }

  /**
   * Starts a checkout of a plan. A second call with the same *key* returns the first one's.
   * @returns {Promise<Checkout>}
   */
  subscribe(plan, key) {
    const headers = { "Idempotency-Key": key };
    return this.#rest.call("POST", "/premium/checkout", { body: { plan }, headers, retry: true });
  }

  /**
   * Starts a checkout of a film. A second call with the same *key* returns the first one's.
   * @returns {Promise<Checkout>}
   */
  buy(id, key) {
    const path = `/videos/${encodeURIComponent(id)}/checkout`;
    return this.#rest.call("POST", path, { headers: { "Idempotency-Key": key }, retry: true });
  }

  /**
   * Gets signed cookies for the HLS files of a film. Throws a Problem with the code NotEntitled if the user may not
   * watch it.
   * @returns {Promise<{url: string, expires_at: string}>} the URL of its playlist, and when the cookies expire
   */
  async session(id) {
    const path = `/videos/${encodeURIComponent(id)}/session`;
    const { playlist: url, expires_at } = await this.#rest.call("POST", path, { retry: true });
    return { url, expires_at };
  }

  /**
   * Gets a signed URL of a film as one MP4 file. Throws a Problem as `session` does.
   * @returns {Promise<{url: string, expires_at: string}>}
   */
  link(id) {
    return this.#rest.call("GET", `/videos/${encodeURIComponent(id)}/link`, { retry: true });
  }
}

const page = (cursor) => (cursor ? `?${new URLSearchParams({ cursor })}` : "");
