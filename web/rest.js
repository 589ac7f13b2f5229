/** Calls an app's REST API with the user's ID token, and turns its errors into sentences. */

import { Problem, send, Unreachable } from "./http.js";

export class RestApi {
  #base;
  #session;
  #sentences;

  /**
   * @param {string} base the URL that each path is appended to
   * @param {import("./cognito.js").Session} session
   * @param {Record<string, string>} sentences what to show for an error, by its code or status
   */
  constructor(base, session, sentences) {
    this.#base = base;
    this.#session = session;
    this.#sentences = sentences;
  }

  /**
   * Returns the body of the answer, or throws a Problem. With *retry*, sends the request a second time if no answer
   * comes. An *anonymous* route needs no signed-in user.
   */
  async call(method, path, { body, headers, signal, retry = false, anonymous = false } = {}) {
    const request = async (fresh) => {
      const sent = { method, signal, headers: { ...headers } };
      if (!anonymous) sent.headers.Authorization = await this.#session.idToken({ fresh });
      if (body) {
        sent.body = JSON.stringify(body);
        sent.headers["Content-Type"] = "application/json";
      }
      return retry ? sendWithRetry(this.#base + path, sent) : send(this.#base + path, sent);
    };
    let answer = await request(false);
    if (answer.status === 401 && !anonymous) {
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

/** Sends *request*, and once more if no answer comes. */
async function sendWithRetry(url, request) {
  try {
    return await send(url, request);
  } catch (error) {
    if (error instanceof Unreachable) return send(url, request);
    throw error;
  }
}

function inWords(status, message, reference) {
  if (status === 429) return "Too many requests. Please wait a moment and try again.";
  if (status >= 500) {
    return `The service has a problem. Please try again in a moment.${reference ? ` (Reference ${reference})` : ""}`;
  }
  return `The service rejected this: ${message ?? `status ${status}`}.`;
}
