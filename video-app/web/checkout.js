/** Payments: leads to the payment provider's page, and waits for the payment afterwards. */

import { describe } from "./shared/http.js";

/** How often to ask whether the payment has arrived, and the seconds in between. */
const TRIES = 30;
const PAUSE = 1;

export const PAYMENT_PENDING =
  "Your payment has not arrived yet. If you have paid, check again in a minute. Your payment is not lost.";

/**
 * Makes *button* lead to the payment page. *begin* gets an idempotency key that belongs to this button, so that a
 * second click, or a click after a lost answer, starts no second checkout.
 * @param {(key: string) => Promise<import("./api.js").Checkout>} begin
 * @param {HTMLElement} error shows what failed
 */
export function linkToPayment(button, begin, error) {
  const key = crypto.randomUUID();
  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    error.textContent = "";
    try {
      const { url } = await begin(key);
      if (!/^https?:/.test(url)) throw new TypeError(`not the URL of a payment page: ${url}`);
      location.assign(url);
    } catch (problem) {
      error.textContent = describe(problem);
      button.ariaBusy = "false";
    }
  });
}

/**
 * Waits until *arrived* returns true. Returns false after the last try. Needed because the provider notifies the API,
 * not this page.
 */
export async function payment(arrived, signal) {
  for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
    if (await arrived()) return true;
    await new Promise((resolve) => setTimeout(resolve, PAUSE * 1000));
  }
  return false;
}
