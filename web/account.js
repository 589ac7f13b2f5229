/**
 * The views for people who are not signed in: sign in, sign up, confirm the address, reset the password, replace a
 * temporary password.
 */

import { NewPasswordRequired } from "./cognito.js";
import { describe } from "./http.js";
import { dismiss, fill, notify, onSubmit, part } from "./page.js";

/**
 * @param {object} needs
 * @param {import("./cognito.js").UserPool} needs.userPool
 * @param {import("./cognito.js").Session} needs.session
 * @param {string} [needs.mailbox] address of the page that shows sent emails; only a sandbox has one
 * @param {(view: string) => void} needs.go
 * @param {() => void} needs.enter called after a sign-in
 * @param {boolean} [needs.invited] whether only an administrator makes accounts, so that nobody can sign up
 * @returns {Record<string, () => HTMLElement>} by name, a function that makes the view
 */
export function accountViews({ userPool, session, mailbox, go, enter, invited = false }) {
  // Kept from one view to the next. The password is needed to sign in after the confirmation.
  let email = "";
  let password = "";
  /** @type {NewPasswordRequired | null} */
  let required = null;

  async function signIn() {
    try {
      await session.start(email, password);
    } catch (problem) {
      if (problem instanceof NewPasswordRequired) {
        required = problem;
        return go("choose");
      }
      if (problem.code !== "UserNotConfirmedException") throw problem;
      await userPool.resendCode(email);
      return go("confirm");
    }
    signedIn();
  }

  function signedIn() {
    email = password = "";
    required = null;
    dismiss();
    enter();
  }

  async function confirm(code) {
    await userPool.confirmSignUp(email, code);
    if (password) await signIn();
    else go("sign-in");
    notify("Your email address is confirmed.");
  }

  async function resend(form) {
    const field = form.elements.email;
    if (!field.reportValidity()) return;
    await userPool.resendCode(field.value);
    notify("A new code is on its way.");
  }

  /** Returns a view with the form of the template *id*. *action* gets the values that the user typed. */
  function view(id, action) {
    const account = fill("account-view");
    const form = fill(id);
    part(account, "entry").append(form);
    part(form, "new-password")?.replaceWith(newPassword());
    if (part(form, "reveal")) addReveal(form);
    if (mailbox && part(form, "mailbox")) Object.assign(part(form, "mailbox"), { href: mailbox, hidden: false });
    form.elements.email.value = email;
    onSubmit(form, async (data) => {
      email = data.get("email").trim();
      await action({ code: data.get("code")?.trim(), password: data.get("password") });
    });
    return account;
  }

  const signUp = {
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
        resend(form).catch((problem) => (part(form, "error").textContent = describe(problem))),
      );
      return account;
    },
  };

  const views = {
    "sign-in": () => {
      const account = view("sign-in-view", (typed) => {
        password = typed.password;
        return signIn();
      });
      if (invited) part(account, "sign-up").remove();
      return account;
    },

    choose: () => {
      if (!required) {
        go("sign-in"); // the page was loaded again
        return views["sign-in"]();
      }
      return view("choose-view", async (typed) => {
        await session.startWithNewPassword(required, email, typed.password);
        signedIn();
        notify("Your new password is saved.");
      });
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
        notify("Your new password is saved.");
      }),
  };

  return invited ? views : { ...views, ...signUp };
}

/** Returns a field for a new password with its rules. Marks each rule that the typed password meets. */
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
    const names = missing.map((rule) => rule.textContent).join(", ");
    field.setCustomValidity(names && `Still missing: ${names}.`);
  };
  field.addEventListener("input", check);
  check();
  return group;
}

/** Makes the button "Show" of *form* show and hide the password. */
function addReveal(form) {
  const button = part(form, "reveal");
  button.addEventListener("click", () => {
    const field = form.elements.password;
    field.type = field.type === "password" ? "text" : "password";
    button.textContent = field.type === "password" ? "Show" : "Hide";
    button.ariaLabel = `${button.textContent} password`;
  });
}
