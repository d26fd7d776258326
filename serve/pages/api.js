/** Calls of the service, with the key that the person gave. */

export const dollars = new Intl.NumberFormat("en-US", {
  style: "currency", currency: "USD", maximumFractionDigits: 0,
});

/** One tab is one caller: a canary that answers it answers all of it, prices and reasons. */
let tab = Math.random().toString(36).slice(2);

const root = new URL("..", import.meta.url);

let key = "";

/** Where a path of the service is, also behind a proxy that has put it under a prefix. */
export function at(path) {
  return new URL(path.slice(1), root);
}

export function useKey(value) {
  key = value;
}

/** Who this tab is to the service, for a worker of it to be the same. */
export const identity = () => ({ key, tab });

export function assume(other) {
  ({ key, tab } = other);
}

/** A refusal of the service: its message, and what each field breaks. */
export class Refusal extends Error {
  constructor(status, problem, wait) {
    super(problem.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.errors = problem.errors ?? [];
    this.wait = wait;
  }
}

async function once(path, body, { own = key, more = {} } = {}) {
  const headers = { "X-Routing-Key": tab, ...(own ? { "X-API-Key": own } : {}), ...more };
  const options = body === undefined ? { headers } : {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const answer = await fetch(at(path), options);
  const document = await answer.json().catch(() => ({}));
  if (answer.ok) return document;
  throw new Refusal(answer.status, document, Number(answer.headers.get("Retry-After") ?? 1));
}

/** Ask, and ask again when the service says that it is too soon. */
export async function ask(path, body, tries = 5) {
  try {
    return await once(path, body);
  } catch (refusal) {
    if (refusal.status !== 429 || tries === 0) throw refusal;
    await new Promise((resolve) => setTimeout(resolve, 1000 * refusal.wait));
    return ask(path, body, tries - 1);
  }
}

/** Ask once with another key than the page's, which is not kept; `more` are headers. */
export function askAs(own, path, body, more = {}) {
  return once(path, body, { own, more });
}

/** Make an element with properties and children; text stays text. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
