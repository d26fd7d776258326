/** Roll back, promote and abort, for who has an operator's key: what changes is said before. */

import { askAs, dollars, element } from "./api.js";
import { percent } from "./tables.js";

const get = (id) => document.getElementById(id);
const chosen = () => document.querySelector("input[name=act]:checked").value;
let state = null;
let wish = ""; // names what is asked for: sent again, it is done once

const renew = () => {
  wish = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

const FIGURES = [["RMSE", "rmse", dollars.format], ["MAPE", "mape", percent], ["coverage of the interval", "coverage", percent]];

/** How two releases did on the holdout, as far as both are known. */
function compared(before, after) {
  const [old, young] = [before, after].map((release) => release?.metrics ?? state.metrics[release?.bundle] ?? {});
  const rows = FIGURES.filter(([, name]) => Number.isFinite(old[name]) && Number.isFinite(young[name]));
  return rows.map(([title, name, format]) => element("li", {}, `${title} on the holdout: ${format(old[name])} becomes ${format(young[name])}.`));
}

/** Releases that may be chosen now, with what each would be called. */
const CHOICES = {
  rollback: () => [],
  promote: () => state.candidates.map((found) => {
    const { canary, shadow, previous } = state.channels.channels;
    const role = Object.entries({ canary, shadow, previous }).find(([, release]) => release?.bundle === found.bundle)?.[0];
    return { ...found, words: `version ${found.version}${role ? `, the ${role}` : ""}${found.asks ? ", which the gate asks about" : ""}` };
  }),
  abort: () => ["canary", "shadow"].flatMap((probation) => {
    const found = state.channels.channels[probation];
    return found ? [{ ...found, probation, words: `the ${probation}, version ${found.version}` }] : [];
  }),
};

const PLANS = {
  rollback() {
    const { champion, previous, canary } = state.channels.channels;
    if (!champion || !previous) return { refused: "There is no release before this one to go back to." };
    return {
      body: { to: previous.bundle }, words: `Version ${champion.version} leaves, and version ${previous.version} answers within seconds.`,
      changes: [...compared(champion, previous), ...(canary ? [element("li", {}, `The canary, version ${canary.version}, ends.`)] : []),
        element("li", {}, `No retrain promotes version ${champion.version} again by itself.`)],
      done: (found) => `Version ${found.model_version} is the champion again.`,
    };
  },
  promote(release) {
    if (!release) return { refused: "No other release passed the gate, or is asked about." };
    const { champion } = state.channels.channels;
    return {
      body: { version: release.bundle },
      words: `Version ${release.version} becomes the champion within seconds${champion ? `, in place of version ${champion.version}, which a roll back returns to` : ""}.`,
      changes: compared(champion, release), done: (found) => `Version ${found.model_version} is the champion.`,
    };
  },
  abort(release) {
    if (!release) return { refused: "Neither a canary nor a shadow runs." };
    const { champion } = state.channels.channels;
    return {
      body: { probation: release.probation, bundle_digest: release.bundle, withdraw: get("act-withdraw").checked },
      words: release.probation === "canary"
        ? `Version ${release.version} no longer answers ${percent(release.share)} of the requests: version ${champion.version} answers all within seconds.`
        : `The shadow, version ${release.version}, sees no more requests; answers stay as they are.`,
      changes: [], done: (found) => `The ${release.probation}, version ${found.model_version}, ended.`,
    };
  },
};

function plan() {
  const choices = CHOICES[chosen()]();
  return PLANS[chosen()](choices.find(({ bundle }) => bundle === get("act-release").value) ?? choices[0]);
}

function preview() {
  const { words, refused, changes = [] } = plan();
  get("back-preview").replaceChildren(element("p", {}, words ?? refused), element("ul", {}, ...changes));
  get("act-now").disabled = Boolean(refused);
  renew();
}

/** Offer what may be done in this state. */
export function offer(found) {
  state = found;
  const act = chosen(), before = get("act-release").value, choices = CHOICES[act]();
  get("act-release").replaceChildren(...choices.map(({ bundle, words }) => element("option", { value: bundle }, words)));
  if (choices.some(({ bundle }) => bundle === before)) get("act-release").value = before;
  get("act-choice").hidden = !choices.length;
  get("act-hold").hidden = act !== "abort" || !choices.length;
  get("act-now").textContent = { rollback: "Roll back", promote: "Promote", abort: "Abort" }[act];
  preview();
}

async function act(done) {
  const { body, done: words } = plan();
  try {
    const sent = { why: get("act-why").value, ...body };
    const found = await askAs(get("act-key").value, `/api/v1/${chosen()}`, sent, { "Idempotency-Key": wish });
    get("back-answer").textContent = words(found);
    done();
  } catch (refusal) {
    const command = { rollback: "housing rollback", promote: "housing promote", abort: "housing canary stop" }[chosen()];
    get("back-answer").textContent = refusal.status === 404 ? `This service has no operator keys: use ${command}.` : refusal.message;
  } finally {
    get("act-key").value = "";
  }
}

/** Let an operator do it. */
export function listen(done) {
  get("act-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act(done);
  });
  for (const input of document.querySelectorAll("input[name=act]")) input.addEventListener("change", () => state && offer(state));
  get("act-release").addEventListener("change", () => state && preview());
  for (const id of ["act-withdraw", "act-why"]) get(id).addEventListener("change", renew);
  get("act").addEventListener("toggle", () => get("act").open && done());
}
