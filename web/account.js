/** The views in front of a session: sign in, sign up, confirm, and a forgotten password. */

import { words } from "./http.js";
import { fill, hush, onSubmit, part, tell } from "./page.js";

/**
 * @param {object} needs
 * @param {import("./cognito.js").UserPool} needs.userPool
 * @param {import("./cognito.js").Session} needs.session
 * @param {string} [needs.mailbox] the page that shows the mails, if there is one
 * @param {(view: string) => void} needs.go
 * @param {() => void} needs.enter called when somebody has signed in
 * @returns {Record<string, () => HTMLElement>} makes each view, by name
 */
export function accountViews({ userPool, session, mailbox, go, enter }) {
  // What was typed in one view and is needed in the next. The password only to sign in after the confirmation.
  let email = "";
  let password = "";

  async function signIn() {
    try {
      await session.start(email, password);
    } catch (problem) {
      if (problem.code !== "UserNotConfirmedException") throw problem;
      await userPool.resendCode(email);
      return go("confirm");
    }
    email = password = "";
    hush();
    enter();
  }

  async function confirm(code) {
    await userPool.confirmSignUp(email, code);
    if (password) await signIn();
    else go("sign-in");
    tell("Your address is confirmed.");
  }

  async function resend(form) {
    const field = form.elements.email;
    if (!field.reportValidity()) return;
    await userPool.resendCode(field.value);
    tell("A new code is on its way.");
  }

  /** A view with the form *id*; *action* gets what was typed. */
  function view(id, action) {
    const account = fill("account-view");
    const form = fill(id);
    part(account, "entry").append(form);
    part(form, "new-password")?.replaceWith(newPassword());
    if (part(form, "reveal")) revealing(form);
    if (mailbox && part(form, "mailbox")) Object.assign(part(form, "mailbox"), { href: mailbox, hidden: false });
    form.elements.email.value = email;
    onSubmit(form, async (data) => {
      email = data.get("email").trim();
      await action({ code: data.get("code")?.trim(), password: data.get("password") });
    });
    return account;
  }

  return {
    "sign-in": () =>
      view("sign-in-view", (typed) => {
        password = typed.password;
        return signIn();
      }),

    "sign-up": () =>
      view("sign-up-view", async (typed) => {
        password = typed.password;
        await userPool.signUp(email, password);
        go("confirm");
      }),

    confirm: () => {
      const account = view("confirm-view", ({ code }) => confirm(code));
      const form = account.querySelector("form");
      part(form, "resend").addEventListener("click", () =>
        resend(form).catch((problem) => (part(form, "error").textContent = words(problem))),
      );
      return account;
    },

    forgot: () =>
      view("forgot-view", async () => {
        await userPool.forgotPassword(email);
        go("reset");
      }),

    reset: () =>
      view("reset-view", async (typed) => {
        await userPool.resetPassword(email, typed.code, typed.password);
        password = typed.password;
        await signIn();
        tell("Your new password is saved.");
      }),
  };
}

/** A field for a new password with its rules, each marked as it is met. */
function newPassword() {
  const group = fill("new-password");
  const field = group.querySelector("input");
  const rules = [...group.querySelectorAll("[data-rule]")];
  const check = () => {
    const missing = rules.filter((rule) => {
      const met = new RegExp(rule.dataset.rule).test(field.value);
      rule.classList.toggle("met", met);
      return !met;
    });
    field.setCustomValidity(missing.length ? `Still missing: ${missing.map((rule) => rule.textContent).join(", ")}.` : "");
  };
  field.addEventListener("input", check);
  check();
  return group;
}

function revealing(form) {
  const button = part(form, "reveal");
  button.addEventListener("click", () => {
    const field = form.elements.password;
    field.type = field.type === "password" ? "text" : "password";
    button.textContent = field.type === "password" ? "Show" : "Hide";
    button.ariaLabel = `${button.textContent} what is typed`;
  });
}
