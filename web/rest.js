/** An app's REST API: its errors in words, and the token of who is signed in. */

import { Problem, Unreachable, send } from "./http.js";

export class RestApi {
  #base;
  #session;
  #sentences;

  /**
   * @param {string} base the address that paths are added to
   * @param {import("./cognito.js").Session} session
   * @param {Record<string, string>} sentences what a refusal means here, by its code or its status
   */
  constructor(base, session, sentences) {
    this.#base = base;
    this.#session = session;
    this.#sentences = sentences;
  }

  /**
   * Returns what is answered, or throws a Problem. *again* says that the request may be sent a second time when no
   * answer came to the first; what is *open* needs nobody to be signed in.
   */
  async call(method, path, { body, headers, signal, again = false, open = false } = {}) {
    const request = async (fresh) => {
      const sent = { method, signal, headers: { ...headers } };
      if (!open) sent.headers.Authorization = await this.#session.idToken({ fresh });
      if (body) {
        sent.body = JSON.stringify(body);
        sent.headers["Content-Type"] = "application/json";
      }
      return again ? sendAgain(this.#base + path, sent) : send(this.#base + path, sent);
    };
    let answer = await request(false);
    if (answer.status === 401 && !open) {
      answer = await request(true);
      if (answer.status === 401) throw this.#session.refused();
    }
    if (!answer.ok) throw await this.#refusal(answer);
    return answer.status === 204 ? null : answer.json();
  }

  async #refusal(answer) {
    const { Code: code, Message: message } = await answer.json().catch(() => ({}));
    const known = this.#sentences[code] ?? this.#sentences[answer.status];
    const sentence = known ?? inWords(answer.status, message, answer.headers.get("X-Correlation-Id"));
    return new Problem(sentence, { status: answer.status, code });
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

function inWords(status, message, reference) {
  if (status === 429) return "That was too fast. Please wait a moment and try again.";
  if (status >= 500) {
    return `The service has a problem. Please try again in a moment.${reference ? ` (Reference ${reference})` : ""}`;
  }
  return `The service did not take this: ${message ?? `status ${status}`}.`;
}
