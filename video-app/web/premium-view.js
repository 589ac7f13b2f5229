/** Premium: the user's membership, and the plans. */

import { linkToPayment, payment, PAYMENT_PENDING } from "./checkout.js";
import { fill, notify, offerRetry, part } from "./shared/page.js";
import { date, price } from "./words.js";

const NAMES = { month: "A month", year: "A year" };

export class PremiumView {
  #api;
  #session;
  #leaving = new AbortController();

  /** @param {import("./api.js").Api} api @param {import("./shared/cognito.js").Session} session */
  constructor(api, session) {
    this.#api = api;
    this.#session = session;
    this.element = fill("premium-view");
  }

  /** Shows the plans. After a payment, with *paid*, waits for it to arrive. */
  async enter(paid) {
    this.#part("waiting").textContent = "Loading…";
    this.#part("failure").replaceChildren();
    try {
      const { items: plans } = await this.#api.plans();
      const membership = this.#session.email ? await this.#membership(paid) : null;
      this.#show(plans, membership);
    } catch (problem) {
      offerRetry(this.#part("failure"), problem, () => this.enter(paid));
    } finally {
      this.#part("waiting").textContent = "";
    }
  }

  leave() {
    this.#leaving.abort();
  }

  #part(name) {
    return part(this.element, name);
  }

  async #membership(paid) {
    let membership = await this.#api.membership();
    if (!paid) return membership;
    this.#part("waiting").textContent = "Waiting for your payment to arrive…";
    const premium = async () => (membership = await this.#api.membership()).premium;
    const arrived = await payment(premium, this.#leaving.signal);
    if (this.#leaving.signal.aborted) return membership;
    history.replaceState(null, "", "#premium");
    if (arrived) notify("Thank you. You can now watch every film.");
    else notify(PAYMENT_PENDING);
    return membership;
  }

  /** @param {import("./api.js").Plan[]} plans @param {import("./api.js").Membership | null} membership */
  #show(plans, membership) {
    const until = membership?.premium ? date(membership.until) : "";
    this.#part("state").textContent = until
      ? `You have premium until ${until}. Another plan extends it.`
      : "Watch every film, as often as you like. Plans do not renew automatically.";
    this.#part("plans").replaceChildren(...plans.map((plan) => this.#plan(plan, membership !== null)));
  }

  /** @param {import("./api.js").Plan} plan */
  #plan(plan, signedIn) {
    const card = fill("plan");
    part(card, "name").textContent = NAMES[plan.plan];
    part(card, "price").textContent = price(plan);
    part(card, "days").textContent = `${plan.days} days`;
    const choose = part(card, "choose");
    choose.textContent = signedIn ? `Get ${NAMES[plan.plan].toLowerCase()}` : "Sign in to buy";
    if (signedIn) linkToPayment(choose, (key) => this.#api.subscribe(plan.plan, key), this.#part("error"));
    else choose.addEventListener("click", () => (location.hash = "sign-in"));
    return card;
  }
}
