/** The two forms of the site. All else works without this file. */

const PATIENCE = 30_000;
const LATER = "The service does not answer. Please try again in a minute.";

/** Sends to the API. @returns {Promise<number>} the answer's status, 0 when none came */
async function send(path, options) {
  try {
    const answer = await fetch(`/api/${path}`, { ...options, signal: AbortSignal.timeout(PATIENCE) });
    return answer.status;
  } catch {
    return 0;
  }
}

/** Says in *region* how it went. */
function say(region, text, done = false) {
  region.classList.toggle("done", done);
  region.textContent = text;
}

/** Runs *action* when *form* is sent, one at a time. */
function onSubmit(form, action) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    await action();
    form.ariaBusy = "false";
  });
}

function subscribing(form) {
  const field = form.querySelector("input");
  const answer = form.querySelector(".answer");
  field.addEventListener("input", () => say(answer, ""));
  onSubmit(form, async () => {
    const email = field.value.trim();
    say(answer, "");
    const status = await send("subscribers", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email }),
    });
    if (status === 202) {
      form.reset();
      say(answer, `Thank you. A welcome mail is on its way to ${email}.`, true);
    } else if (status >= 400 && status < 500 && status !== 429) {
      say(answer, "We cannot write to this address. Is it spelled right?");
      field.focus();
    } else {
      say(answer, LATER);
    }
  });
}

function unsubscribing(form) {
  const answer = document.querySelector("#unsubscribe_answer");
  const token = new URLSearchParams(location.search).get("token");
  const gone = "This link is not valid any more: it was used before, or it was cut short on its way here.";
  if (!token) {
    form.hidden = true;
    say(answer, "Please open this page by the link in a mail from us: it says which address to remove.");
    return;
  }
  onSubmit(form, async () => {
    say(answer, "");
    const status = await send(`subscribers/${encodeURIComponent(token)}`, { method: "DELETE" });
    form.hidden = (status >= 200 && status < 300) || status === 404;
    if (status >= 200 && status < 300) say(answer, "You are off the list. We write to you no more.", true);
    else if (status >= 400 && status < 500 && status !== 429) say(answer, gone);
    else say(answer, LATER);
  });
}

const subscribe = document.querySelector("#subscribe_form");
const unsubscribe = document.querySelector("#unsubscribe_form");
if (subscribe) subscribing(subscribe);
if (unsubscribe) unsubscribing(unsubscribe);
