/** The last decision as a picture: each check's value against its limit. */

import { element } from "./api.js";
import { quiet, time } from "./tables.js";

const WORDS = { pass: "passed", fail: "failed", ask: "asks", "not applicable": "not applicable" };

function row({ code, title, verdict, value, limit, reason }) {
  const wrong = ["fail", "ask"].includes(verdict);
  const track = element("div", { className: "track" });
  if (Number.isFinite(value) && Number.isFinite(limit) && limit !== 0) {
    const bar = element("span", { className: wrong ? "bar less" : "bar" });
    bar.style.width = `${Math.min(100, Math.max(0, (100 * value) / limit))}%`;
    track.append(bar);
  }
  return [
    element("dt", { title: reason }, `${code} ${title}`), element("dd", { title: reason }, track),
    element("dd", { className: wrong ? "wrong" : "", title: reason }, WORDS[verdict] ?? verdict, element("span", { className: "unseen" }, `: ${reason}`)),
  ];
}

/** The latest decision of the gate in the history; checks that did not apply are left out. */
export function gate(events) {
  const event = events.find(({ evidence }) => evidence.checks?.length);
  if (!event) return quiet("No decision yet.");
  const shown = event.evidence.checks.filter(({ verdict }) => verdict in WORDS && verdict !== "not applicable");
  return element("div", {},
    element("p", {}, `Version ${event.version}, ${time(event.at)}: ${event.reason}`),
    element("dl", { className: "picture" }, ...shown.flatMap(row)));
}
