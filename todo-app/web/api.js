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

  /** @returns {Promise<{items: Todo[], cursor: string | null}>} newest first; *done* undefined means all */
  list({ done, cursor, signal }) {
    const query = new URLSearchParams();
    if (done !== undefined) query.set("done", done);
    if (cursor) query.set("cursor", cursor);
    return this.#rest.call("GET", `/todos?${query}`, { signal, retry: true });
  }

  /** @returns {Promise<Todo>} */
  get(id) {
    return this.#rest.call("GET", `/todos/${id}`, { retry: true });
  }

  /** Adds a todo. A second call with the same *key* returns the todo of the first call. @returns {Promise<Todo>} */
  add(todo, key) {
    return this.#rest.call("POST", "/todos", { body: todo, headers: { "Idempotency-Key": key }, retry: true });
  }

  /**
   * Changes some fields. With a *version*, throws a Problem with status 412 if the todo has another one. Without a
   * *version* the request may be sent again: the change is idempotent.
   * @returns {Promise<Todo>}
   */
  change(id, fields, version) {
    return this.#rest.call("PATCH", `/todos/${id}`, { body: fields, headers: ifMatch(version), retry: !version });
  }

  /** Deletes the todo. Throws a Problem with status 412 if it has another *version*, 404 if it no longer exists. */
  remove(id, version) {
    return this.#rest.call("DELETE", `/todos/${id}`, { headers: ifMatch(version), retry: true });
  }

  /** @returns {Promise<import("./files.js").Place>} the location of the user's files */
  folder() {
    return this.#rest.call("GET", "/files", { retry: true });
  }

  /**
   * Returns a form to upload a file with exactly this name and type, and at most this size.
   * @param {{name: string, content_type: string, size: number}} file
   * @returns {Promise<{url: string, fields: Record<string, string>}>}
   */
  upload(file) {
    return this.#rest.call("POST", "/files", { body: file, retry: true });
  }
}

const ifMatch = (version) => (version ? { "If-Match": `"${version}"` } : {});
