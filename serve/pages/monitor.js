/** The monitor's last report: the state in a sentence, drift by feature, live error by segment. */

import { element } from "./api.js";
import { percent, quiet, table, time } from "./tables.js";

const verdict = (text) => element("span", { className: ["drift", "collapsed"].includes(text) ? "wrong" : "" }, text);

/** Every column of the champion's last finished window against earlier ones and the training rows. */
function drift({ windows, champion }) {
  const last = windows.findLast((window) => window.version === champion);
  if (!last) return quiet("No finished window of the champion yet.");
  const earlier = Object.fromEntries((last.earlier ?? []).map((column) => [column.name, column.verdict]));
  const rows = last.columns.map((column) => [
    column.name, verdict(earlier[column.name] ?? ""), column.verdict, column.psi.toFixed(3), column.distance?.toFixed(3),
    percent(column.missing), percent(column.outside), column.reasons.join("; "),
  ]);
  return table("Drift by feature",
    ["feature", "against earlier windows", "against training", "stability index", "distance", "missing", "outside", "why"], rows);
}

/** How many of its rows lie far from every training row, or are unlike all of them. */
function unfamiliar({ windows, champion }) {
  const share = windows.findLast((window) => window.version === champion)?.unfamiliar;
  return share === undefined || share === null ? ""
    : quiet(`${percent(share)} of its rows lie far from every training row or are unlike all of them.`);
}

const range = ([value, low, high]) => `${percent(value)} (${percent(low)} to ${percent(high)})`;

/** The error where prices are known, beside what the model foresees: over all, by segment, by version. */
function errors({ performance }) {
  const rows = performance.filter(({ kind }) => kind !== "day").map(({ kind, name, rows: count, estimates, foreseen }) => [
    kind === "all" ? "all" : `${kind} ${name}`, count.toLocaleString("en-US"), foreseen ? range(foreseen) : "",
    ...(estimates ? [estimates.wmape, estimates.mape, estimates.bias, estimates.coverage].map(range) : ["too few"]),
  ]);
  return table("Live error by segment", ["rows of", "known prices", "foreseen wMAPE", "wMAPE", "MAPE", "bias", "coverage"], rows);
}

const list = (reasons, className = "") =>
  element("ul", {}, ...reasons.map((reason) => element("li", { className }, reason)));

/** The report, or what to do to have one. */
export function monitor(report) {
  if (!report) return quiet("No report yet: run housing monitor, or its deployment.");
  const alarms = report.alarms.map((alarm) => `${alarm.name}: ${alarm.reasons.join("; ")}`);
  const wrong = [...alarms, ...report.live_error];
  const notes = (report.notes ?? []).map((note) => note.name);
  const counts = [report.predictions, report.labelled].map((count) => count.toLocaleString("en-US"));
  return element("div", {},
    element("p", {}, `${time(report.at)}: version ${report.champion}, ${counts[0]} predictions, ${counts[1]} of them with a known price.`),
    wrong.length ? list(wrong, "wrong") : quiet("No alarm."),
    notes.length ? quiet(`Other than in training, as before in the traffic: ${notes.join(", ")}.`) : "",
    element("h3", {}, "Drift by feature"), drift(report), unfamiliar(report),
    element("h3", {}, "Live error by segment"), errors(report),
    element("h3", {}, report.retraining.retrain ? "Retrain" : "No retrain"), list(report.retraining.reasons));
}
