/** Tables and numbers as both pages' readers see them. */

import { element } from "./api.js";

export const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}\u00a0%` : "");
export const time = (text) => (text ? new Date(text).toLocaleString() : "");
export const quiet = (text) => element("p", { className: "quiet" }, text);

/** A table in a frame that scrolls and can be reached with the keyboard. */
export function table(name, titles, rows) {
  if (!rows.length) return quiet("Nothing yet.");
  const head = titles.map((title) => element("th", { scope: "col" }, title));
  const body = rows.map(([first, ...others]) => element("tr", {},
    element("th", { scope: "row" }, first), ...others.map((cell) => element("td", {}, cell ?? ""))));
  const made = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  const frame = element("div", { className: "scroll", tabIndex: 0 }, made);
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", name);
  return frame;
}
