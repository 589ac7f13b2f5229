/** The user's folder in S3, accessed with temporary credentials of the identity pool. */

import { Problem, Unreachable } from "./shared/http.js";
import { AwsV4Signer } from "./vendor/aws4fetch-1.0.20.js";

/** Credentials are renewed this long before they expire, in milliseconds. */
const MARGIN = 5 * 60_000;

/**
 * @typedef {object} Place the answer of `GET /files`
 * @property {string} bucket
 * @property {string} prefix
 * @property {string} region
 * @property {string} identity_pool_id
 * @property {string} identity_id
 * @property {string} login_provider
 * @property {number} max_size
 *
 * @typedef {{name: string, size: number, modified: Date}} StoredFile
 */

export class Folder {
  #aws;
  #api;
  #session;
  #place = null;
  #credentials = null;

  /**
   * @param {import("./shared/aws.js").Aws} aws
   * @param {import("./api.js").Api} api
   * @param {import("./shared/cognito.js").Session} session
   */
  constructor(aws, api, session) {
    this.#aws = aws;
    this.#api = api;
    this.#session = session;
  }

  /** @returns {Promise<Place>} */
  place() {
    this.#place ??= this.#api.folder().catch((error) => {
      this.#place = null;
      throw error;
    });
    return this.#place;
  }

  /** @returns {Promise<StoredFile[]>} in order of their names */
  async list() {
    const { prefix } = await this.place();
    const files = [];
    // XML 1.0 cannot contain control characters, which keys can contain.
    const query = { "list-type": "2", "encoding-type": "url", prefix };
    do {
      const page = await this.#send("GET", null, { query, as: "document" });
      files.push(...[...page.querySelectorAll("Contents")].map((entry) => stored(entry, prefix)));
      query["continuation-token"] = page.querySelector("NextContinuationToken")?.textContent;
    } while (query["continuation-token"]);
    return files.filter((file) => file.name);
  }

  /**
   * Uploads *file* by a form that the API signs, so that S3 enforces the limit of its size. Throws a Problem if the file
   * is too large or its name cannot be used, or the reason of *signal* if that aborts.
   * @param {File} file
   * @param {{onProgress?: (share: number) => void, signal?: AbortSignal}} [options]
   */
  async upload(file, { onProgress, signal } = {}) {
    const { max_size: limit } = await this.place();
    const name = fileName(file);
    if (file.size > limit) throw new Problem(`“${name}” is larger than ${inWords(limit)}.`);
    if (!file.size) throw new Problem(`“${name}” is empty.`);
    if (isWrong(name)) throw new Problem(`“${name}” has a name that cannot be used here. Please rename the file.`);
    const form = await this.#api.upload({ name, content_type: mediaType(file), size: file.size });
    const body = new FormData();
    for (const [field, value] of Object.entries(form.fields)) body.append(field, value);
    body.append("file", file);
    const answer = await transfer({ method: "POST", url: form.url, headers: [] }, { body, onProgress, signal });
    if (answer.status < 200 || answer.status >= 300) throw new Problem(sentence(answer.status), answer);
  }

  /** @returns {Promise<Blob>} */
  download(name) {
    return this.#send("GET", name, { as: "blob" });
  }

  remove(name) {
    return this.#send("DELETE", name);
  }

  /** Signs and sends a request. Renews the credentials once if S3 rejects them. */
  async #send(method, name, { query = {}, as = "" } = {}) {
    const { bucket, prefix, region } = await this.place();
    const url = new URL(this.#aws.objectUrl(bucket, name === null ? "" : prefix + name));
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value);
    const attempt = async (fresh) => {
      const credentials = await this.#currentCredentials(fresh);
      const signer = new AwsV4Signer({ ...credentials, method, url, service: "s3", region });
      return transfer(await signer.sign(), { as });
    };
    let answer = await attempt(false);
    if (answer.status === 400 || answer.status === 403) answer = await attempt(true);
    if (answer.status >= 200 && answer.status < 300) return answer.response;
    throw new Problem(sentence(answer.status), answer);
  }

  async #currentCredentials(fresh) {
    if (fresh || !this.#credentials || Date.now() > this.#credentials.expiresAt - MARGIN) {
      this.#credentials = await this.#issue();
    }
    return this.#credentials;
  }

  /**
   * Gets credentials by the enhanced flow:
   * https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flow.html
   */
  async #issue() {
    const { login_provider: provider, identity_pool_id: pool } = await this.place();
    const logins = { Logins: { [provider]: await this.#session.idToken() } };
    const identity = await this.#identity("GetId", { IdentityPoolId: pool, ...logins });
    const { Credentials: given } = await this.#identity("GetCredentialsForIdentity", {
      IdentityId: identity.IdentityId,
      ...logins,
    });
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretKey,
      sessionToken: given.SessionToken,
      expiresAt: given.Expiration * 1000,
    };
  }

  #identity(operation, parameters) {
    return this.#aws.call("cognito-identity", `AWSCognitoIdentityService.${operation}`, parameters);
  }
}

/** Returns the name of *file* in the folder, in NFC: macOS decomposes accents, but S3 compares bytes. */
export function fileName(file) {
  return file.name.normalize("NFC");
}

/** Returns whether the API would refuse the name: FILE_NAME in common/text.py, and NewFile in chalicelib/files.py. */
function isWrong(name) {
  return [...name].length > 200 || /[/\\\p{Cc}\ufffd]|\$\{filename\}|^\.{0,2}$/u.test(name);
}

/** Returns the media type of *file* if it is of the form that the API accepts. */
function mediaType({ type }) {
  const known = /^[a-zA-Z0-9.+-]+\/[a-zA-Z0-9.+-]+(; ?charset=[a-zA-Z0-9-]+)?$/;
  return known.test(type) && type.length <= 100 ? type : "application/octet-stream";
}

/** Returns a size as text, for example 1.5 MB. @param {number} size in bytes */
export function inWords(size) {
  const [unit, divisor] = size < 1024 ? ["byte", 1] : size < 1024 ** 2 ? ["kilobyte", 1024] : ["megabyte", 1024 ** 2];
  const format = { style: "unit", unit, unitDisplay: size < 1024 ? "long" : "short", maximumFractionDigits: 1 };
  return new Intl.NumberFormat(undefined, format).format(size / divisor);
}

function stored(entry, prefix) {
  const text = (tag) => entry.querySelector(tag).textContent;
  return {
    name: decodeURIComponent(text("Key").replaceAll("+", " ")).slice(prefix.length),
    size: Number(text("Size")),
    modified: new Date(text("LastModified")),
  };
}

/** Sends a request by XMLHttpRequest, because fetch() reports no progress of an upload. */
function transfer({ method, url, headers }, { body = null, as = "", onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.responseType = as;
    for (const [name, value] of headers) request.setRequestHeader(name, value);
    if (onProgress) request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 1);
    request.onload = () => resolve({ status: request.status, response: request.response });
    request.onerror = () => reject(new Unreachable());
    request.onabort = () => reject(signal.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

function sentence(status) {
  if (status === 403) return "Access to your files was denied. Sign out and sign in again.";
  if (status === 404) return "This file no longer exists.";
  return `The file storage has a problem (status ${status}). Please try again.`;
}
