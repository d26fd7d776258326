/** Tables and numbers as both pages' readers see them. */

import { element } from "./api.js";

export const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}\u00a0%` : "");
export const time = (text) => (text ? new Date(text).toLocaleString() : "");
export const quiet = (text) => element("p", { className: "quiet" }, text);

/** What a column's figures mean, and their unit, for who rests on its title or has it read aloud. */
const MEANINGS = {
  RMSE: "Root of the mean squared error on the holdout, in dollars: large errors count most",
  R2: "Share of the prices' variance that the model explains, on the holdout; no unit, 1 is all",
  MAPE: "Mean error as a share of each price, in percent",
  wMAPE: "Sum of the errors as a share of the sum of the prices, in percent, with its 95 % interval",
  "foreseen wMAPE": "The wMAPE that the model foresees by its own intervals, in percent",
  bias: "Mean of price less actual price as a share of the mean price, in percent: above 0 is too dear",
  coverage: "Share of actual prices inside the interval, in percent: it ought to be 90 %",
  COD: "How far alike houses are priced apart: mean distance of the ratios of price to actual price from their median, in percent",
  PRD: "Price-related differential: no unit, above 1 the cheap pay for the dear",
  PRB: "Price-related bias: no unit, below 0 the cheap pay for the dear",
  share: "Requests that it answers, in percent",
  "stability index": "Population stability index against the training rows: no unit, above 0.2 has moved",
  distance: "Distance between the values now and at training, in the values' own spread",
  missing: "Rows without a value, in percent",
  outside: "Rows beyond what training saw, in percent",
  "known prices": "Predictions whose actual price came: a count",
  answers: "Answers since this process began: a count",
  refused: "Answers with a status from 400 to 499: a count",
  failed: "Answers with a status of 500 or more: a count",
  "median within": "Half of the answers took at most so long, in milliseconds",
  "99 % within": "99 of 100 answers took at most so long, in milliseconds",
  "last use": "How long it took when it was last used, in milliseconds",
};

function head(title) {
  const meaning = MEANINGS[title];
  return element("th", { scope: "col", title: meaning ?? "" }, title, ...(meaning ? [element("span", { className: "unseen" }, `: ${meaning}`)] : []));
}

/** A table in a frame that scrolls and can be reached with the keyboard. */
export function table(name, titles, rows) {
  if (!rows.length) return quiet("Nothing yet.");
  const body = rows.map(([first, ...others]) => element("tr", {},
    element("th", { scope: "row" }, first), ...others.map((cell) => element("td", {}, cell ?? ""))));
  const made = element("table", {}, element("thead", {}, element("tr", {}, ...titles.map(head))), element("tbody", {}, ...body));
  const frame = element("div", { className: "scroll", tabIndex: 0 }, made);
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", name);
  return frame;
}
