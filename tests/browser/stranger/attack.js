/** What a page of another origin tries on the sandbox. `attack` returns what it could read, by the name of the attempt. */

const KEY = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/service/aws4_request, SignedHeaders=host, Signature=0";
const JSON_TYPE = "application/x-amz-json-1.1";

/** A request that the browser sends only if the server allows it, and whose answer the page reads. */
const readable = (address, options) => fetch(address, options).then((answer) => answer.text());

/** A request that the browser sends without asking the server. The page does not see the answer. */
const blind = (address, options) => fetch(address, { mode: "no-cors", ...options }).then(() => null);

const call = (target, body, headers = {}) => ({
  method: "POST",
  headers: { "Content-Type": JSON_TYPE, "X-Amz-Target": target, ...headers },
  body: JSON.stringify(body),
});

/** Loads an address as an element does, and returns what the page can tell of it. */
function load(tag, address) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const element = Object.assign(document.createElement(tag), { src: address, onload: resolve, onerror: reject });
  document.body.append(element);
  return promise.then(() => "loaded");
}

function submit(address, fields = {}) {
  const frame = Object.assign(document.createElement("iframe"), { name: `frame-${Math.random()}` });
  const form = Object.assign(document.createElement("form"), { action: address, method: "POST", target: frame.name });
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement("input"), { name, value }));
  }
  document.body.append(frame, form);
  form.submit();
  return new Promise((resolve) => setTimeout(() => resolve(null), 1000));
}

function connect(address) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const socket = new WebSocket(address);
  socket.onopen = () => resolve("connected");
  socket.onerror = reject;
  return promise;
}

export async function attack({ endpoint, console: board, payments, page, api }) {
  const code = { FunctionName: "stranger", Runtime: "python3.13", Handler: "a.b", Role: "r", Code: { ZipFile: "" } };
  const functions = `${endpoint}/2015-03-31/functions`;
  const attempts = {
    "create a function": () => readable(functions, { method: "POST", headers: { Authorization: KEY }, body: JSON.stringify(code) }),
    "create a function, blind": () => blind(functions, { method: "POST", body: JSON.stringify(code) }),
    "list functions": () => readable(functions),
    "read a secret": () => readable(endpoint, call("secretsmanager.ListSecrets", {}, { Authorization: KEY })),
    "read a secret as a bearer": () => readable(endpoint, call("secretsmanager.ListSecrets", {}, { Authorization: "Bearer x" })),
    "list buckets": () => readable(endpoint),
    "create a bucket": () => readable(`${endpoint}/stranger`, { method: "PUT" }),
    "publish, blind": () => submit(endpoint, { Action: "CreateTopic", Name: "stranger", Version: "2010-03-31" }),
    "sign in": () => readable(endpoint, call("AWSCognitoIdentityProviderService.InitiateAuth", { ClientId: "x" })),
    "read the mails": () => readable(`${endpoint}/_ministack/ses/messages`),
    "read the health": () => readable(`${endpoint}/_ministack/health`),
    "configure": () => blind(`${endpoint}/_ministack/config`, { method: "POST", body: "{}" }),
    "turn the clock": () => blind(`${endpoint}/_localaws/clock`, { method: "POST", body: '{"advance": 86400}' }),
    "allow itself": () => blind(`${endpoint}/_localaws/origins?add=${location.origin}`, { method: "POST" }),
    "read the console": () => readable(`${board}/apps.json`),
    "load the console": () => load("script", `${board}/mails.json`),
    "frame the console": () => load("iframe", `${board}/`).then(() => null),
    "refund": () => blind(`${board}/payments/pi_1/refund`, { method: "POST" }),
    "refund by a form": () => submit(`${board}/payments/pi_1/refund`),
    "read the charges": () => readable(`${payments}/v1/charges`),
    "pay": () => blind(`${payments}/pay/cs_1`, { method: "POST", body: new URLSearchParams({ card: "4242424242424242" }) }),
    "read a page": () => readable(`${page}/config.json`),
    "load a page's script": () => load("script", `${page}/app.js`),
    "call an API": () => readable(`${api}/posts`),
    "post to an API, blind": () => blind(`${api}/subscribers`, { method: "POST", body: '{"email":"victim@example.com"}' }),
    "open a socket": () => connect(`${endpoint.replace("http", "ws")}/_aws/execute-api/x/y`),
    "reset": () => blind(`${endpoint}/_ministack/reset`, { method: "POST" }),
  };
  const read = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    const answer = await attempt().catch(() => null);
    if (answer !== null) read[name] = String(answer).slice(0, 200);
  }
  return read;
}

window.attack = attack;
