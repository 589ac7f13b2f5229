/** Requests, and what goes wrong with them in words that a person can use. */

/** Longer than API Gateway's own limit of 29 s, so that we hear from it. */
const PATIENCE = 35_000;

/** Something that did not work; its message is a sentence to show. */
export class Problem extends Error {
  /** @param {string} message @param {{status?: number, code?: string}} [origin] */
  constructor(message, { status = 0, code = "" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** No answer came: whether the request arrived is unknown. */
export class Unreachable extends Problem {
  constructor() {
    super("The service does not answer. Check your connection and try again.");
  }
}

/** fetch() with a time limit. Throws Unreachable when no answer comes; an abort by the caller stays an AbortError. */
export async function send(url, { signal, ...options } = {}) {
  const limit = AbortSignal.timeout(PATIENCE);
  try {
    return await fetch(url, { ...options, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    throw signal?.aborted ? error : new Unreachable();
  }
}

/**
 * Loads an HTML page of this site as a document, in which no script runs. XMLHttpRequest parses it itself, so this works
 * under `require-trusted-types-for 'script'`. Throws Unreachable when no answer comes.
 * @param {string | URL} url
 * @returns {Promise<Document>}
 */
export function loadDocument(url) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.timeout = PATIENCE;
    request.onload = () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(new Problem("A part of this page is missing. Please try again.", { status: request.status }));
    };
    request.onerror = request.ontimeout = () => reject(new Unreachable());
    request.send();
  });
}

/** Says *error* as a sentence. What is not a Problem is our own fault, so it is kept for the developer's console. */
export function words(error) {
  if (error instanceof Problem) return error.message;
  console.error(error);
  return "Something went wrong on this page. Please try again.";
}
