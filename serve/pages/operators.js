/** What operators want to see: channels, health, traffic, the monitor, and what was decided. */

import { alarms } from "./alarms.js";
import { ask, at, dollars, element, useKey } from "./api.js";
import { decisions, figures, rollbacks } from "./decisions.js";
import { gate } from "./gate.js";
import { monitor } from "./monitor.js";
import * as acts from "./acts.js";
import * as screen from "./screen.js";
import { percent, table, time } from "./tables.js";

const get = (id) => document.getElementById(id);
const EVERY = 10_000; // milliseconds between two looks

function channels(found) {
  const rows = Object.entries(found.channels).map(([name, { version, share, model, metrics, promoted_at: at, promoted_by: by, reason }]) => [
    name, version, share ? percent(share) : "", model, metrics.rmse === undefined ? "" : dollars.format(metrics.rmse), percent(metrics.mape),
    percent(metrics.coverage), time(at), by, reason,
  ]);
  return table("Channels", ["channel", "version", "share", "model", "RMSE", "MAPE", "coverage", "since", "by", "why"], rows);
}

function health({ dependencies }) {
  const rows = Object.entries(dependencies).map(([name, { state, detail, milliseconds }]) => [
    name, element("span", { className: state === "ok" ? "" : "wrong" }, state), detail,
    milliseconds === null ? "" : `${milliseconds} ms`,
  ]);
  return table("Dependencies", ["dependency", "state", "detail", "last use"], rows);
}

/** Labels and value of each sample of one metric in Prometheus' text format. */
function samples(text, name) {
  return text.split("\n").filter((line) => line.startsWith(`${name}{`)).map((line) => {
    const labels = Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map((match) => match.slice(1)));
    return { ...labels, value: Number(line.slice(line.lastIndexOf(" "))) };
  });
}

/** The bucket's bound, in milliseconds, that a share of the answers stayed within. */
function quantile(buckets, share) {
  const sums = new Map();
  for (const { le, value } of buckets) sums.set(Number(le.replace("+Inf", "Infinity")), (sums.get(Number(le.replace("+Inf", "Infinity"))) ?? 0) + value);
  const ordered = [...sums].sort((a, b) => a[0] - b[0]);
  const total = ordered.at(-1)?.[1] ?? 0;
  const bound = ordered.find(([, count]) => count >= share * total)?.[0];
  return Number.isFinite(bound) ? `${Number((1000 * bound).toPrecision(2))} ms` : "beyond the last bucket";
}

function traffic(text) {
  const counts = samples(text, "housing_request_seconds_count");
  const buckets = samples(text, "housing_request_seconds_bucket");
  const routes = [...new Set(counts.map((sample) => sample.route))].sort();
  const rows = routes.map((route) => {
    const mine = counts.filter((sample) => sample.route === route);
    const sum = (some) => some.reduce((total, sample) => total + sample.value, 0);
    const own = buckets.filter((sample) => sample.route === route);
    const failed = sum(mine.filter((sample) => sample.status >= "500"));
    const refused = sum(mine.filter((sample) => sample.status >= "400")) - failed;
    return [route, ...[sum(mine), refused, failed].map((count) => count.toLocaleString("en-US")), quantile(own, 0.5), quantile(own, 0.99)];
  });
  return table("Requests", ["route", "answers", "refused", "failed", "median within", "99 % within"], rows);
}

async function look() {
  try {
    const [state, deep, metrics] = await Promise.all([
      ask("/operations"), ask("/health/deep"), fetch(at("/metrics")).then((answer) => answer.text()),
    ]);
    get("key").hidden = true;
    get("alarms-list").replaceChildren(alarms(state, deep));
    get("timeline-list").replaceChildren(screen.timeline(state.history));
    get("drift-multiples").replaceChildren(screen.multiples(state.monitor));
    get("gate-picture").replaceChildren(gate(state.history));
    screen.drawErrors(state.monitor);
    screen.drawTraffic(state.traffic);
    acts.offer(state);
    get("channels-table").replaceChildren(channels(state.channels));
    get("figures-table").replaceChildren(figures(state.history, state.metrics));
    get("rollbacks-table").replaceChildren(rollbacks(state.history));
    get("history-table").replaceChildren(decisions(state.history));
    get("health-table").replaceChildren(health(deep));
    get("traffic-table").replaceChildren(traffic(metrics));
    get("monitor-report").replaceChildren(monitor(state.monitor));
    const champion = state.channels.channels.champion;
    get("summary").textContent = `${champion ? `Version ${champion.version} is the champion` : "No champion yet"}; the service is ${deep.status}.`;
  } catch (refusal) {
    get("key").hidden = ![401, 403].includes(refusal.status);
    get("summary").textContent = refusal.message;
  }
}

get("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(get("api-key").value);
  look();
});
acts.listen(look);
look();
setInterval(() => {
  // What a person has unfolded, or is reading with the keyboard, is not pulled away.
  if (!document.hidden && !document.querySelector("details[open]") && !document.activeElement.closest("main")) look();
}, EVERY);
