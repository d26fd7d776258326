/** The operators' first screen: what served since when, errors, traffic, drift. */

import { element } from "./api.js";
import * as charts from "./charts.js";
import { quiet, time } from "./tables.js";

const get = (id) => document.getElementById(id);
const KINDS = ["promotion", "rollback", "canary started", "canary stopped", "shadow started", "shadow stopped", "question"];
const SHOWN = 8; // events of the timeline
const MOVED = 0.2; // stability index from which a feature counts as moved

/** What served since when: promotions, canaries, roll backs, the latest first. */
export function timeline(events) {
  const rows = events.filter(({ kind }) => KINDS.includes(kind)).slice(0, SHOWN).map(({ at, kind, version, by, reason }) =>
    element("li", { className: kind.split(" ").pop(), title: reason },
      element("strong", {}, `${kind}: version ${version}`), element("br"), `${time(at)} by ${by}: ${reason}`));
  return rows.length ? element("ol", { className: "timeline" }, ...rows) : quiet("Nothing was promoted yet.");
}

const hundred = (value) => (value === undefined || value === null ? null : 100 * value);

/** An estimate may be a list or an object: value, low, high, as percentages. */
function estimate(found) {
  if (!found) return [null, null, null];
  return (Array.isArray(found) ? found : [found.value, found.low, found.high]).map(hundred);
}

/** Draw the actual and the foreseen error by day, each with its band. */
export function drawErrors(report) {
  const days = (report?.performance ?? []).filter(({ kind }) => kind === "day").sort((a, b) => a.name.localeCompare(b.name));
  const line = (name, tone, find, dash) => {
    const [values, low, high] = [0, 1, 2].map((part) => days.map((day) => estimate(find(day))[part]));
    return { name, tone, values, low, high, dash };
  };
  charts.draw(get("error-chart"), days.map(({ name }) => Date.parse(name) / 1000), [
    line("actual", "--accent", ({ estimates }) => estimates?.wmape),
    line("foreseen", "--quiet", ({ foreseen }) => foreseen, [5, 4]),
  ], "%");
}

/** Draw requests and latency by minute. */
export function drawTraffic({ minute, requests, failed, median_milliseconds: median, p99_milliseconds: slowest }) {
  charts.draw(get("requests-chart"), minute, [
    { name: "requests", tone: "--accent", values: requests }, { name: "failed", tone: "--wrong", values: failed }], "a minute");
  charts.draw(get("latency-chart"), minute, [
    { name: "99 % within", tone: "--wrong", values: slowest }, { name: "median within", tone: "--accent", values: median }], "ms");
}

/** The stability index of each feature over the champion's windows, as small multiples. */
export function multiples(report) {
  const windows = (report?.windows ?? []).filter(({ version }) => version === report.champion);
  if (!windows.length) return quiet("No finished window of the champion yet.");
  const names = windows.at(-1).columns.map(({ name }) => name);
  const moved = new Set(report.alarms.map((alarm) => alarm.name));
  const rows = names.map((name) => {
    const values = windows.map(({ columns }) => columns.find((column) => column.name === name)?.psi ?? 0);
    const last = windows.at(-1).columns.find((column) => column.name === name);
    const meaning = `Population stability index of ${name} in the last window: ${last.reasons.join("; ") || "steady"}. It has no unit; above ${MOVED} the feature has moved.`;
    return element("div", { title: meaning }, element("dt", {}, name),
      element("dd", { className: moved.has(name) ? "wrong" : "" }, last.psi.toFixed(2), element("span", { className: "unseen" }, ` ${meaning}`)),
      charts.small(values, MOVED, Math.max(0.4, ...values)));
  });
  return element("dl", { className: "multiples" }, ...rows);
}
