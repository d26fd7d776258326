/** One price of the past, for operators: what was asked and said, why, and what the house really cost. */

import { askAs, dollars, element } from "./api.js";
import { title } from "./form.js";
import { alike, bars, orMore } from "./result.js";
import { quiet, table } from "./tables.js";

const get = (id) => document.getElementById(id);

/** How far the price was off, where the actual one came. */
function outcome({ actual_price: actual, actual_from: from, predicted_price: price, lower, upper, at_least: isOpen }) {
  if (actual === null) return "The actual price is not known yet.";
  const off = price - actual, inside = actual >= lower && (isOpen || actual <= upper);
  return `The house really cost ${dollars.format(actual)}${from ? `, as ${from} sent` : ""}: the price was ${dollars.format(Math.abs(off))}`
    + ` (${Math.round((100 * Math.abs(off)) / actual)} %) too ${off < 0 ? "low" : "high"}, and the actual one lies ${inside ? "inside" : "outside"} the interval.`;
}

function show(found) {
  const at = new Date(found.at), more = orMore(found);
  get("answer").replaceChildren(
    element("p", { className: "money" }, dollars.format(found.predicted_price) + more),
    element("p", {}, `${dollars.format(found.lower)} to ${dollars.format(found.upper)}${more}, by version ${found.model_version} (${found.channel}), `
      + `${at.toLocaleDateString("en-US", { weekday: "long" })}, ${at.toLocaleString()}.`),
    element("p", {}, outcome(found)),
  );
  get("row").replaceChildren(table("What was asked", ["field", "value"], Object.entries(found.row).map(([name, value]) => [title(name), String(value ?? "missing")])));
  get("reasons").replaceChildren(...(found.contributions
    ? [bars(found), alike(found.comparables)]
    : [quiet("Its model is no longer kept, or not read by this version of the service: there are no reasons to show.")]));
}

async function look() {
  const id = get("id").value.trim();
  history.replaceState(null, "", `?${new URLSearchParams({ id })}`);
  get("answer").replaceChildren(quiet("Searching the log."));
  get("row").replaceChildren();
  get("reasons").replaceChildren();
  try {
    show(await askAs(get("key").value, `/api/v1/predictions/${encodeURIComponent(id)}`));
  } catch (refusal) {
    const isOff = refusal.status === 404 && !refusal.message.includes("log");
    get("answer").replaceChildren(element("p", { className: "wrong" },
      isOff ? "This service has no operator keys: use housing prediction." : refusal.message));
  }
}

get("id").value = new URLSearchParams(location.search).get("id") ?? "";
get("look").addEventListener("submit", (event) => {
  event.preventDefault();
  look();
});
