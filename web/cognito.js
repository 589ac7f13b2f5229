/** Accounts and sessions in the Cognito user pool. */

import { Problem } from "./http.js";

/** Tokens are renewed when they have less than this to live, in milliseconds. */
const MARGIN = 5 * 60_000;

const BUSY = "Too many tries. Please wait a few minutes and try again.";
const WORDS = {
  CodeMismatchException: "This code is not right. Use the one from the newest mail.",
  ExpiredCodeException: "This code has expired. Ask for a new one.",
  LimitExceededException: BUSY,
  PasswordHistoryPolicyViolationException: "You had this password before. Choose a new one.",
  TooManyFailedAttemptsException: BUSY,
  TooManyRequestsException: BUSY,
  UserNotConfirmedException: "This address is not confirmed yet. Enter the code that we sent you.",
  UserNotFoundException: "The email or the password is not right.",
  UsernameExistsException: "There is an account for this address already. Sign in instead.",
};

/** Operations of the user pool that need no session. */
export class UserPool {
  #aws;
  #clientId;

  /** @param {import("./aws.js").Aws} aws @param {string} clientId */
  constructor(aws, clientId) {
    this.#aws = aws;
    this.#clientId = clientId;
  }

  signUp(email, password) {
    const attributes = [{ Name: "email", Value: email }];
    return this.#call("SignUp", { Username: email, Password: password, UserAttributes: attributes });
  }

  confirmSignUp(email, code) {
    return this.#call("ConfirmSignUp", { Username: email, ConfirmationCode: code });
  }

  resendCode(email) {
    return this.#call("ResendConfirmationCode", { Username: email });
  }

  forgotPassword(email) {
    return this.#call("ForgotPassword", { Username: email });
  }

  resetPassword(email, code, password) {
    return this.#call("ConfirmForgotPassword", { Username: email, ConfirmationCode: code, Password: password });
  }

  /** @returns {Promise<{IdToken: string, RefreshToken: string, ExpiresIn: number}>} */
  async signIn(email, password) {
    const answer = await this.#authenticate("USER_PASSWORD_AUTH", { USERNAME: email, PASSWORD: password });
    if (answer.AuthenticationResult) return answer.AuthenticationResult;
    throw new Problem("This account needs a password of your own first. Choose “Forgot your password?”.");
  }

  /** @returns {Promise<{IdToken: string, RefreshToken?: string, ExpiresIn: number}>} */
  async refresh(refreshToken) {
    return (await this.#authenticate("REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: refreshToken })).AuthenticationResult;
  }

  revoke(refreshToken) {
    return this.#call("RevokeToken", { Token: refreshToken });
  }

  #authenticate(flow, parameters) {
    return this.#call("InitiateAuth", { AuthFlow: flow, AuthParameters: parameters });
  }

  async #call(operation, parameters) {
    try {
      return await this.#aws.call("cognito-idp", `AWSCognitoIdentityProviderService.${operation}`, {
        ClientId: this.#clientId,
        ...parameters,
      });
    } catch (error) {
      throw inWords(error);
    }
  }
}

function inWords(error) {
  if (!(error instanceof Problem) || !error.code) return error;
  let sentence = WORDS[error.code] ?? error.message;
  if (error.code === "NotAuthorizedException" && /incorrect/i.test(error.message)) {
    sentence = "The email or the password is not right.";
  } else if (error.code === "NotAuthorizedException" && /attempts/i.test(error.message)) {
    sentence = BUSY;
  }
  return new Problem(sentence, error);
}

/**
 * The tokens of the person signed in. They live as long as the browser's tab and never leave it.
 * Fires `ended` when the user pool does not renew them any more.
 */
export class Session extends EventTarget {
  static #KEY = "session";
  #userPool;
  #renewal = null;

  /** @param {UserPool} userPool */
  constructor(userPool) {
    super();
    this.#userPool = userPool;
  }

  /** The email of the person signed in, or null. */
  get email() {
    return this.#tokens?.email ?? null;
  }

  async start(email, password) {
    this.#keep(email, await this.#userPool.signIn(email, password));
  }

  /** An ID token that is good for some minutes at least; with *fresh*, a new one in any case. */
  async idToken({ fresh = false } = {}) {
    const tokens = this.#tokens;
    if (!tokens) throw this.#end();
    if (!fresh && Date.now() < tokens.expiresAt - MARGIN) return tokens.idToken;
    this.#renewal ??= this.#renew(tokens).finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  /** Ends the session here at once, and the refresh token for good when the user pool can be reached. */
  async stop() {
    const tokens = this.#tokens;
    this.#forget();
    await this.#userPool.revoke(tokens?.refreshToken).catch(() => {});
  }

  /** Ends a session that is no longer accepted; returns the Problem that says so. */
  refused() {
    return this.#end();
  }

  async #renew(tokens) {
    try {
      const renewed = await this.#userPool.refresh(tokens.refreshToken);
      // Signed out, or in as somebody else, while we waited.
      if (this.#tokens?.refreshToken !== tokens.refreshToken) throw this.#end();
      this.#keep(tokens.email, { RefreshToken: tokens.refreshToken, ...renewed });
      return renewed.IdToken;
    } catch (error) {
      throw error.code === "NotAuthorizedException" ? this.#end() : error;
    }
  }

  #end() {
    this.#forget();
    const problem = new Problem("Your session has ended. Please sign in again.", { status: 401 });
    this.dispatchEvent(new CustomEvent("ended", { detail: problem }));
    return problem;
  }

  #keep(email, { IdToken, RefreshToken, ExpiresIn }) {
    // Counted from now by our own clock, so that a wrong clock does no harm.
    const expiresAt = Date.now() + ExpiresIn * 1000;
    const tokens = { email, idToken: IdToken, refreshToken: RefreshToken, expiresAt };
    sessionStorage.setItem(Session.#KEY, JSON.stringify(tokens));
  }

  #forget() {
    sessionStorage.removeItem(Session.#KEY);
  }

  get #tokens() {
    return JSON.parse(sessionStorage.getItem(Session.#KEY));
  }
}
