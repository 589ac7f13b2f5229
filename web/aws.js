/** Where AWS is: the one place that knows whether it is the cloud or a sandbox. */

import { Problem, send } from "./http.js";

/**
 * @typedef {object} Config what the stage's `config.json` says
 * @property {string} api
 * @property {string} region
 * @property {string} user_pool_id
 * @property {string} user_pool_client_id
 * @property {string} identity_pool_id
 * @property {string} [endpoint] of a sandbox: every AWS service answers there
 * @property {string} [console] of a sandbox: the page that shows its mailbox
 */

/** @returns {Promise<Config>} */
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

  /** The address of the object *key* in *bucket*, or without a key of the bucket itself. */
  objectUrl(bucket, key = "") {
    const base = this.#endpoint
      ? `${this.#endpoint}/${bucket}`
      : `https://${bucket}.s3.${this.#region}.amazonaws.com`;
    return `${base}/${key.split("/").map(percentEncoded).join("/")}`;
  }

  /**
   * Calls *operation* of a service that speaks JSON. Throws a Problem with the service's error code.
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
    throw new Problem(result.message ?? result.Message ?? "The service refused.", { status: answer.status, code });
  }
}

/** As Signature Version 4 wants it: encodeURIComponent leaves five characters that RFC 3986 reserves. */
function percentEncoded(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
