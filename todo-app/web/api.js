/** The REST API of MyTodoList. */

import { Problem, Unreachable, send } from "./http.js";

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

export class Api {
  #base;
  #session;

  /** @param {string} base @param {import("./cognito.js").Session} session */
  constructor(base, session) {
    this.#base = base;
    this.#session = session;
  }

  /** @returns {Promise<{items: Todo[], cursor: string | null}>} the newest first; *done* undefined means all */
  list({ done, cursor, signal }) {
    const query = new URLSearchParams();
    if (done !== undefined) query.set("done", done);
    if (cursor) query.set("cursor", cursor);
    return this.#call("GET", `/todos?${query}`, { signal, again: true });
  }

  /** @returns {Promise<Todo>} */
  get(id) {
    return this.#call("GET", `/todos/${id}`, { again: true });
  }

  /** Adds a todo; a second call with the same *key* returns the first one's. @returns {Promise<Todo>} */
  add(todo, key) {
    return this.#call("POST", "/todos", { body: todo, headers: { "Idempotency-Key": key }, again: true });
  }

  /**
   * Changes some fields; with a *version* only if the todo is still at it, else a Problem with status 412.
   * Without one the change may be sent again: twice is the same as once.
   * @returns {Promise<Todo>}
   */
  change(id, fields, version) {
    return this.#call("PATCH", `/todos/${id}`, { body: fields, headers: ifMatch(version), again: !version });
  }

  /** Removes the todo if it is still at *version*, else a Problem with status 412; 404 when it is gone already. */
  remove(id, version) {
    return this.#call("DELETE", `/todos/${id}`, { headers: ifMatch(version), again: true });
  }

  /** @returns {Promise<import("./files.js").Place>} where the caller's own files are */
  folder() {
    return this.#call("GET", "/files", { again: true });
  }

  /** *again* says that the request may be sent a second time when no answer came to the first. */
  async #call(method, path, { body, headers, signal, again = false } = {}) {
    const request = async (fresh) => {
      const sent = { method, signal, headers: { ...headers, Authorization: await this.#session.idToken({ fresh }) } };
      if (body) {
        sent.body = JSON.stringify(body);
        sent.headers["Content-Type"] = "application/json";
      }
      return again ? sendAgain(this.#base + path, sent) : send(this.#base + path, sent);
    };
    let answer = await request(false);
    if (answer.status === 401) answer = await request(true);
    if (answer.status === 401) throw this.#session.refused();
    if (!answer.ok) throw await refusal(answer);
    return answer.status === 204 ? null : answer.json();
  }
}

/** Sends once more when the network failed. */
async function sendAgain(url, request) {
  try {
    return await send(url, request);
  } catch (error) {
    if (error instanceof Unreachable) return send(url, request);
    throw error;
  }
}

const ifMatch = (version) => (version ? { "If-Match": `"${version}"` } : {});

async function refusal(answer) {
  const { Code: code, Message: message } = await answer.json().catch(() => ({}));
  const reference = answer.headers.get("X-Correlation-Id");
  return new Problem(sentence(answer.status, message, reference), { status: answer.status, code });
}

function sentence(status, message, reference) {
  if (status === 404) return "This todo was deleted somewhere else.";
  if (status === 412) return "This todo was changed somewhere else in the meantime.";
  if (status === 429) return "That was too fast. Please wait a moment and try again.";
  if (status >= 500) {
    return `The service has a problem. Please try again in a moment.${reference ? ` (Reference ${reference})` : ""}`;
  }
  return `The service did not take this: ${message ?? `status ${status}`}.`;
}
