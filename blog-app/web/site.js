/** The two forms of the site. Everything else works without JavaScript. */

/** The time limit of a request, in milliseconds. */
const TIMEOUT = 30_000;
const LATER = "The service is not responding. Please try again in a minute.";

/** Where the API takes writes: in the first Region, and in the second one, if the blog has one. */
const APIS = ["/api", "/standby/api"];

/**
 * Sends a write to the API of the first Region, and to that of the second one if the first one fails. Both may have got
 * it then, which is no harm: each write names what it adds or removes.
 * @returns {Promise<number>} the status of the answer, 0 if none comes
 */
async function send(path, options) {
  const [first, second] = APIS;
  const status = await sendTo(first, path, options);
  if (status > 0 && status < 500) return status;
  const other = await sendTo(second, path, options);
  return other >= 200 && other < 300 ? other : status;
}

async function sendTo(api, path, options) {
  try {
    const answer = await fetch(`${api}/${path}`, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
    return answer.status;
  } catch {
    return 0;
  }
}

/** Shows *text* in *region*; *done* marks a success. */
function show(region, text, done = false) {
  region.classList.toggle("done", done);
  region.textContent = text;
}

/** Runs *action* when the user submits *form*, one run at a time. */
function onSubmit(form, action) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    await action();
    form.ariaBusy = "false";
  });
}

function initSubscribe(form) {
  const field = form.querySelector("input");
  const answer = form.querySelector(".answer");
  field.addEventListener("input", () => show(answer, ""));
  onSubmit(form, async () => {
    const email = field.value.trim();
    show(answer, "");
    const status = await send("subscribers", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email }),
    });
    if (status === 202) {
      form.reset();
      show(answer, `Thank you. A welcome email is on its way to ${email}.`, true);
    } else if (status >= 400 && status < 500 && status !== 429) {
      show(answer, "We cannot email this address. Check the spelling.");
      field.focus();
    } else {
      show(answer, LATER);
    }
  });
}

function initUnsubscribe(form) {
  const answer = document.querySelector("#unsubscribeAnswer");
  const token = new URLSearchParams(location.search).get("token");
  const gone = "This link is no longer valid. It was used already, or a part of it is missing.";
  if (!token) {
    form.hidden = true;
    show(answer, "Please open this page with the link in one of our emails. The link says which address to remove.");
    return;
  }
  onSubmit(form, async () => {
    show(answer, "");
    const status = await send(`subscribers/${encodeURIComponent(token)}`, { method: "DELETE" });
    form.hidden = (status >= 200 && status < 300) || status === 404;
    if (status >= 200 && status < 300) show(answer, "You are unsubscribed. We will not email you again.", true);
    else if (status >= 400 && status < 500 && status !== 429) show(answer, gone);
    else show(answer, LATER);
  });
}

const subscribe = document.querySelector("#subscribeForm");
const unsubscribe = document.querySelector("#unsubscribeForm");
if (subscribe) initSubscribe(subscribe);
if (unsubscribe) initUnsubscribe(unsubscribe);
