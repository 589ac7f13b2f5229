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
    const request = (authorization) => {
      const sent = { method, signal, headers: { ...headers, ...authorization } };
      if (body) {
        sent.body = JSON.stringify(body);
        sent.headers["Content-Type"] = "application/json";
      }
      return retry ? sendWithRetry(this.#base + path, sent) : send(this.#base + path, sent);
    };
    const answer = await (anonymous ? request({}) : authorized(this.#session, request));
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

/**
 * Calls *request* with a header that has the user's ID token, and once more with a new token if the API rejects it.
 * Ends the session if the API rejects both.
 * @param {import("./cognito.js").Session} session
 * @param {(authorization: {Authorization: string}) => Promise<Response>} request
 */
export async function authorized(session, request) {
  const answer = await request({ Authorization: await session.idToken() });
  if (answer.status !== 401) return answer;
  const second = await request({ Authorization: await session.idToken({ fresh: true }) });
  if (second.status === 401) throw session.refused();
  return second;
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
