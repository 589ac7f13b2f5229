/** The REST API of MyTodoList. */

import { RestApi } from "./shared/rest.js";

/**
 * @typedef {object} Todo
 * @property {string} id
 * @property {string} title
 * @property {string} notes
 * @property {string | null} due a date, or a date and time with an offset
 * @property {"low" | "normal" | "high"} priority
 * @property {string[]} tags
 * @property {boolean} done
 * @property {string} created_at
 * @property {string} updated_at
 * @property {number} version
 */

const SENTENCES = {
  404: "This todo was deleted somewhere else.",
  412: "This todo was changed somewhere else in the meantime.",
};

export class Api {
  #rest;

  /** @param {string} base @param {import("./shared/cognito.js").Session} session */
  constructor(base, session) {
    this.#rest = new RestApi(base, session, SENTENCES);
  }

  /** @returns {Promise<{items: Todo[], cursor: string | null}>} the newest first; *done* undefined means all */
  list({ done, cursor, signal }) {
    const query = new URLSearchParams();
    if (done !== undefined) query.set("done", done);
    if (cursor) query.set("cursor", cursor);
    return this.#rest.call("GET", `/todos?${query}`, { signal, again: true });
  }

  /** @returns {Promise<Todo>} */
  get(id) {
    return this.#rest.call("GET", `/todos/${id}`, { again: true });
  }

  /** Adds a todo; a second call with the same *key* returns the first one's. @returns {Promise<Todo>} */
  add(todo, key) {
    return this.#rest.call("POST", "/todos", { body: todo, headers: { "Idempotency-Key": key }, again: true });
  }

  /**
   * Changes some fields; with a *version* only if the todo is still at it, else a Problem with status 412.
   * Without one the change may be sent again: twice is the same as once.
   * @returns {Promise<Todo>}
   */
  change(id, fields, version) {
    return this.#rest.call("PATCH", `/todos/${id}`, { body: fields, headers: ifMatch(version), again: !version });
  }

  /** Removes the todo if it is still at *version*, else a Problem with status 412; 404 when it is gone already. */
  remove(id, version) {
    return this.#rest.call("DELETE", `/todos/${id}`, { headers: ifMatch(version), again: true });
  }

  /** @returns {Promise<import("./files.js").Place>} where the caller's own files are */
  folder() {
    return this.#rest.call("GET", "/files", { again: true });
  }
}

const ifMatch = (version) => (version ? { "If-Match": `"${version}"` } : {});
