/** The addresses of AWS services. Only this module knows whether they are AWS's own or those of a sandbox. */

import { Problem, send } from "./http.js";

/**
 * @typedef {object} Config the stage's `config.json`
 * @property {string} api
 * @property {string} region
 * @property {string} user_pool_id
 * @property {string} user_pool_client_id
 * @property {string} identity_pool_id
 * @property {string} [endpoint] a sandbox only: the address of all AWS services
 * @property {string} [console] a sandbox only: the address of its console, which shows sent emails
 */

/** Loads the configuration. Throws a Problem if there is none. @returns {Promise<Config>} */
export async function loadConfig() {
  const answer = await send("config.json", { cache: "no-cache" });
  if (!answer.ok) throw new Problem("This page has not been set up yet: its config.json is missing.");
  return answer.json();
}

export class Aws {
  #endpoint;
  #region;

  /** @param {Config} config */
  constructor({ endpoint, region }) {
    this.#endpoint = endpoint;
    this.#region = region;
  }

  /** Returns the URL of the object *key* in *bucket*, or of the bucket itself without a key. */
  objectUrl(bucket, key = "") {
    const base = this.#endpoint
      ? `${this.#endpoint}/${bucket}`
      : `https://${bucket}.s3.${this.#region}.amazonaws.com`;
    return `${base}/${key.split("/").map(percentEncoded).join("/")}`;
  }

  /**
   * Calls *operation* of a service with the AWS JSON 1.1 protocol. Throws a Problem with the service's error code.
   * @param {"cognito-idp" | "cognito-identity"} service
   * @param {string} operation for example `AWSCognitoIdentityProviderService.SignUp`
   */
  async call(service, operation, parameters) {
    const url = this.#endpoint ? `${this.#endpoint}/` : `https://${service}.${this.#region}.amazonaws.com/`;
    const answer = await send(url, {
      method: "POST",
      headers: { "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": operation },
      body: JSON.stringify(parameters),
    });
    const result = await answer.json().catch(() => ({}));
    if (answer.ok) return result;
    const code = String(result.__type ?? "").split("#").pop();
    const message = result.message ?? result.Message ?? "The service rejected the request.";
    throw new Problem(message, { status: answer.status, code });
  }
}

/**
 * Encodes *text* as Signature Version 4 requires. encodeURIComponent leaves out five characters that RFC 3986 reserves.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
function percentEncoded(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
