/** Accounts and sessions in the Cognito user pool. */

import { Problem } from "./http.js";

/** How long a new tab waits for the session of another tab, in milliseconds. */
const ANSWERS = 200;

/** Tokens are renewed this long before they expire, in milliseconds. */
const MARGIN = 5 * 60_000;

const NEW_PASSWORD = "NEW_PASSWORD_REQUIRED";

const BUSY = "Too many attempts. Please wait a few minutes and try again.";
const SENTENCES = {
  CodeMismatchException: "This code is incorrect. Use the code from the most recent email.",
  ExpiredCodeException: "This code has expired. Ask for a new one.",
  LimitExceededException: BUSY,
  PasswordHistoryPolicyViolationException: "You used this password before. Choose another one.",
  TooManyFailedAttemptsException: BUSY,
  TooManyRequestsException: BUSY,
  UserNotConfirmedException: "This email address is not confirmed yet. Enter the code that we sent you.",
  UserNotFoundException: "The email address or password is incorrect.",
  UsernameExistsException: "This email address already has an account. Sign in instead.",
};
/** A NotAuthorizedException differs by its message only. */
const REFUSALS = [
  [/incorrect/i, "The email address or password is incorrect."],
  [/attempts/i, BUSY],
  [/invalid session/i, "This took too long. Please sign in again with the temporary password."],
  [/cannot be reset/i, "Sign in with the temporary password of your invitation. Then you choose your own."],
];

/** The password is correct but temporary: the user must choose another one to sign in. */
export class NewPasswordRequired extends Problem {
  /** @param {{user: string, session: string}} challenge what the choice is sent with */
  constructor(challenge) {
    super("Choose your own password.", { code: NEW_PASSWORD });
    this.challenge = challenge;
  }
}

/**
 * @typedef {object} Tokens
 * @property {string} IdToken
 * @property {string} RefreshToken
 * @property {number} ExpiresIn
 */

/** The operations of the user pool that need no signed-in user. */
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

  /** Throws NewPasswordRequired if an administrator has set the password. @returns {Promise<Tokens>} */
  async signIn(email, password) {
    return tokensIn(await this.#authenticate("USER_PASSWORD_AUTH", { USERNAME: email, PASSWORD: password }));
  }

  /** Replaces a temporary password, within a few minutes after the sign-in. @returns {Promise<Tokens>} */
  async choosePassword({ user, session }, password) {
    const answer = await this.#call("RespondToAuthChallenge", {
      ChallengeName: NEW_PASSWORD,
      Session: session,
      ChallengeResponses: { USERNAME: user, NEW_PASSWORD: password },
    });
    return tokensIn(answer);
  }

  /** @returns {Promise<Partial<Tokens>>} */
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

/** Returns the tokens in the answer to a sign-in. Throws a Problem if it asks for something else first. */
function tokensIn(answer) {
  if (answer.AuthenticationResult) return answer.AuthenticationResult;
  if (answer.ChallengeName !== NEW_PASSWORD) {
    throw new Problem(`This page cannot complete the sign-in: it needs ${answer.ChallengeName}.`);
  }
  throw new NewPasswordRequired({ user: answer.ChallengeParameters.USER_ID_FOR_SRP, session: answer.Session });
}

/** Returns *error* with a message to show, if it is a known error of the user pool. */
function inWords(error) {
  if (!(error instanceof Problem) || !error.code) return error;
  const known = error.code === "NotAuthorizedException" && REFUSALS.find(([words]) => words.test(error.message));
  return new Problem(known ? known[1] : (SENTENCES[error.code] ?? error.message), error);
}

/**
 * The tokens of the signed-in user, kept in sessionStorage until the tab closes. The tabs of a site share them by
 * messages, so that they are never on the disk and end with the last tab.
 * Fires `started` when another tab has signed in, and `ended` when the user pool no longer renews the tokens or another
 * tab has signed out.
 */
export class Session extends EventTarget {
  static #KEY = "session";
  #tabs = new BroadcastChannel("session");
  #userPool;
  #renewal = null;

  /** @param {UserPool} userPool */
  constructor(userPool) {
    super();
    this.#userPool = userPool;
    this.#tabs.addEventListener("message", ({ data }) => this.#hear(data));
  }

  /** Takes over the session of another tab, if this one has none. */
  restore() {
    if (this.#tokens) return Promise.resolve();
    return new Promise((resolve) => {
      this.addEventListener("started", resolve, { once: true });
      setTimeout(resolve, ANSWERS);
      this.#tabs.postMessage({ asks: true });
    });
  }

  /** The email address of the signed-in user, or null. */
  get email() {
    return this.#tokens?.email ?? null;
  }

  async start(email, password) {
    this.#keep(email, await this.#userPool.signIn(email, password));
    this.#share();
  }

  /** Starts with a password that replaces a temporary one. @param {NewPasswordRequired} required */
  async startWithNewPassword({ challenge }, email, password) {
    this.#keep(email, await this.#userPool.choosePassword(challenge, password));
    this.#share();
  }

  /** Returns an ID token that is valid for at least five minutes. With *fresh*, always returns a new one. */
  async idToken({ fresh = false } = {}) {
    const tokens = this.#tokens;
    if (!tokens) throw this.#end();
    if (!fresh && Date.now() < tokens.expiresAt - MARGIN) return tokens.idToken;
    this.#renewal ??= this.#renew(tokens).finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  /** Ends the session in all tabs at once, then revokes the refresh token if the user pool can be reached. */
  async stop() {
    const tokens = this.#tokens;
    this.#forget();
    this.#tabs.postMessage({ stopped: true });
    await this.#userPool.revoke(tokens?.refreshToken).catch(() => {});
  }

  /** Ends a session whose tokens an API rejects. Returns the Problem to throw. */
  refused() {
    return this.#end();
  }

  async #renew(tokens) {
    try {
      const renewed = await this.#userPool.refresh(tokens.refreshToken);
      // The user signed out, or signed in as another user, during the request.
      if (this.#tokens?.refreshToken !== tokens.refreshToken) throw this.#end();
      this.#keep(tokens.email, { RefreshToken: tokens.refreshToken, ...renewed });
      return renewed.IdToken;
    } catch (error) {
      throw error.code === "NotAuthorizedException" ? this.#end() : error;
    }
  }

  /** Handles a message of another tab. */
  #hear({ asks, tokens, stopped }) {
    const own = this.#tokens;
    if (asks && own) this.#share();
    if (tokens && !own) {
      this.#store(tokens);
      this.dispatchEvent(new Event("started"));
    }
    if (stopped && own) {
      this.#end("You signed out in another tab.");
      this.#userPool.revoke(own.refreshToken).catch(() => {}); // it may be another session
    }
  }

  #share() {
    this.#tabs.postMessage({ tokens: this.#tokens });
  }

  #end(reason = "Your session has ended. Please sign in again.") {
    this.#forget();
    const problem = new Problem(reason, { status: 401 });
    this.dispatchEvent(new CustomEvent("ended", { detail: problem }));
    return problem;
  }

  #keep(email, { IdToken, RefreshToken, ExpiresIn }) {
    // Both times come from this computer's clock, so it need not be right.
    const expiresAt = Date.now() + ExpiresIn * 1000;
    this.#store({ email, idToken: IdToken, refreshToken: RefreshToken, expiresAt });
  }

  #store(tokens) {
    sessionStorage.setItem(Session.#KEY, JSON.stringify(tokens));
  }

  #forget() {
    sessionStorage.removeItem(Session.#KEY);
  }

  get #tokens() {
    return JSON.parse(sessionStorage.getItem(Session.#KEY));
  }
}
