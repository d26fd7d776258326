/** What was decided about models: the gate's evidence, each version's figures, roll backs. */

import { dollars, element } from "./api.js";
import { percent, table, time } from "./tables.js";

const checks = (event) => event.evidence.checks ?? [];

/** The gate's checks of a decision, folded away. */
function evidence(event) {
  const found = checks(event);
  if (!found.length) return "";
  const rows = found.map((check) => [`${check.code} ${check.title}`, check.verdict, check.reason]);
  const failed = found.filter((check) => check.verdict === "fail").length;
  return element("details", {}, element("summary", {}, `${found.length} checks, ${failed} failed`),
    table("Checks of the gate", ["check", "verdict", "reason"], rows));
}

/** Every decision, the latest first. */
export function decisions(events) {
  const rows = events.map((event) => [time(event.at), event.kind, event.version, event.by, event.reason, evidence(event)]);
  return table("Decisions", ["when", "what", "version", "by", "why", "evidence"], rows);
}

/** An amount over a bar as long as its share of the largest. */
function bar(value, largest) {
  if (value === undefined) return "";
  const made = element("span", { className: "bar" });
  made.style.width = `${(100 * value) / largest}%`;
  return element("span", {}, dollars.format(value), made);
}

/** What each judged version was worth on the holdout, the latest first; `metrics` by bundle. */
export function figures(events, metrics) {
  const judged = events.filter((event) => event.bundle in metrics && ["promotion", "rejection"].includes(event.kind));
  const largest = Math.max(...judged.map(({ bundle }) => metrics[bundle].rmse ?? 0), 1);
  const rows = judged.map((event) => {
    const { rmse, r2, mape, coverage, cod, prd, prb } = metrics[event.bundle];
    return [event.version, time(event.at), event.kind, bar(rmse, largest), r2?.toFixed(3), percent(mape), percent(coverage),
      percent(cod), prd?.toFixed(3), prb?.toFixed(3)];
  });
  return table("Metrics by version", ["version", "judged", "decision", "RMSE", "R2", "MAPE", "coverage", "COD", "PRD", "PRB"], rows);
}

/** The latest roll backs: from which version to which, and why. */
export function rollbacks(events) {
  const rows = events.filter((event) => event.kind === "rollback").map((event) => [
    time(event.at), `${event.evidence.from_version} to ${event.version}`, event.by, event.reason,
  ]);
  return table("Roll backs", ["when", "version", "by", "why"], rows);
}
