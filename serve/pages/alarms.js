/** What is wrong now, each with the first step of the runbook. */

import { element } from "./api.js";
import { quiet } from "./tables.js";

const STEPS = {
  drift: "Look at the feature's window below; a changed source or unit is mended there, a changed world is learnt by housing retrain.",
  error: "Look at the error by segment; if it came with a release, roll back, else housing retrain.",
  dependency: "Predictions go on; look at the dependency and the service's log.",
  model: "Publish a release: make run, or housing promote VERSION.",
};

function found({ channels, monitor }, deep) {
  const alarms = (monitor?.alarms ?? []).map(({ name, reasons }) => [`${name}: ${reasons.join("; ")}`, "drift"]);
  const errors = (monitor?.live_error ?? []).map((reason) => [reason, "error"]);
  const wrong = Object.entries(deep.dependencies).filter(([, { state }]) => state !== "ok")
    .map(([name, { detail }]) => [`${name}: ${detail}`, "dependency"]);
  const none = channels.channels.champion ? [] : [["No champion: nothing is priced.", "model"]];
  return [...none, ...errors, ...alarms, ...wrong];
}

/** The alarms, the gravest first. */
export function alarms(state, deep) {
  const rows = found(state, deep).map(([text, step]) => element("li", {},
    element("span", { className: "wrong" }, text), element("br"), element("small", {}, STEPS[step])));
  return rows.length ? element("ul", {}, ...rows) : quiet("None.");
}
