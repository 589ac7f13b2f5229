/** Paying: away to the provider's page, and what is waited for after the way back. */

import { words } from "./shared/http.js";

/** Seconds between two questions whether the payment has arrived, and how often it is asked. */
const PAUSE = 1;
const TRIES = 30;

/**
 * Has *button* lead to where is paid. *begin* gets a key that stays the same for this button, so that a second click,
 * or one after a lost answer, begins nothing twice.
 * @param {(key: string) => Promise<import("./api.js").Checkout>} begin
 * @param {HTMLElement} error where a failure is told
 */
export function leadsToPayment(button, begin, error) {
  const key = crypto.randomUUID();
  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    error.textContent = "";
    try {
      const { url } = await begin(key);
      if (!/^https?:/.test(url)) throw new TypeError(`not an address to pay at: ${url}`);
      location.assign(url);
    } catch (problem) {
      error.textContent = words(problem);
      button.ariaBusy = "false";
    }
  });
}

/** Asks until *arrived* says so; false when it took too long. The provider tells the shop, not the page. */
export async function payment(arrived, signal) {
  for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
    if (await arrived()) return true;
    await new Promise((resolve) => setTimeout(resolve, PAUSE * 1000));
  }
  return false;
}
