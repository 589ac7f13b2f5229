/** HTTP requests, and their errors as sentences to show to the user. */

/** The time limit of a request, in milliseconds: longer than API Gateway's 29 s, so that its answer arrives. */
const TIMEOUT = 35_000;

/** An error whose message is a sentence to show to the user. */
export class Problem extends Error {
  /** @param {string} message @param {{status?: number, code?: string}} [origin] */
  constructor(message, { status = 0, code = "" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** No answer came. The request may or may not have arrived. */
export class Unreachable extends Problem {
  constructor() {
    super("The service is not responding. Check your connection and try again.");
  }
}

/** Calls fetch() with a time limit. Throws Unreachable if no answer comes, or AbortError if the caller aborts. */
export async function send(url, { signal, ...options } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT);
  try {
    return await fetch(url, { ...options, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    throw signal?.aborted ? error : new Unreachable();
  }
}

/**
 * Loads an HTML page of this site as a document in which no script runs. XMLHttpRequest parses the page itself, so this
 * works under `require-trusted-types-for 'script'`. Throws a Problem, or Unreachable if no answer comes.
 * @param {string | URL} url
 * @returns {Promise<Document>}
 */
export function loadDocument(url) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.timeout = TIMEOUT;
    request.onload = () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(new Problem("A part of this page is missing. Please try again.", { status: request.status }));
    };
    request.onerror = request.ontimeout = () => reject(new Unreachable());
    request.send();
  });
}

/** Returns *error* as a sentence. An error that is not a Problem is a bug, so this logs it to the console. */
export function describe(error) {
  if (error instanceof Problem) return error.message;
  console.error(error);
  return "Something went wrong on this page. Please try again.";
}
