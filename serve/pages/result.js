/** The price, its interval, its warnings, and why. */

import { ask, dollars, element } from "./api.js";

/** Why a price is what it is: what each group of features adds or takes. */
export function bars(explanation) {
  const parts = Object.entries(explanation.contributions);
  const largest = Math.max(...parts.map(([, value]) => Math.abs(value)), 1);
  const rows = parts.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).map(([name, value]) => {
    const bar = element("span", { className: value < 0 ? "bar less" : "bar" });
    bar.style.width = `${(100 * Math.abs(value)) / largest}%`;
    const sign = value < 0 ? "−" : "+";
    return element("tr", {},
      element("th", { scope: "row" }, name),
      element("td", { className: "number" }, sign + dollars.format(Math.abs(value))),
      element("td", { className: "bars" }, bar));
  });
  const caption = element("caption", {},
    `Why: from ${dollars.format(explanation.base_price)}, the mean of the reference, to this price`);
  return element("table", {}, caption, element("tbody", {}, ...rows));
}

/** The block groups of the training data that the price leans on. */
export function alike(comparables) {
  const rows = comparables.map((found) => element("tr", {},
    element("th", { scope: "row", className: "number" }, dollars.format(found.price)),
    element("td", { className: "number" }, `${found.kilometres.toFixed(1)} km`),
    element("td", { className: "number" }, dollars.format(10_000 * found.median_income)),
    element("td", { className: "number" }, `${found.housing_median_age} years`)));
  const heads = ["price", "away", "income", "age"].map((name) => element("th", { scope: "col", className: "number" }, name));
  return element("table", {}, element("caption", {}, "Comparable block groups" + (document.getElementById("map") ? ", circled on the map" : "")),
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

/** How a price is to be read that reaches the end of the known ones. */
export const orMore = ({ at_least: isOpen }) => (isOpen ? " or more" : "");

/** Price one block group and show the answer in `container`; return what it is comparable to. */
export async function show(place, container) {
  const [answer, why] = await Promise.all([
    ask("/api/v1/predict", { instances: [place] }),
    ask("/api/v1/explain", { instances: [place] }),
  ]);
  const [found] = answer.predictions;
  const { lower, upper, level } = found.prediction_interval;
  const warnings = found.warnings.map((warning) => element("li", { className: "wrong" }, warning));
  container.replaceChildren(
    element("p", { className: "money" }, dollars.format(found.predicted_price) + orMore(found)),
    element("p", {}, `${dollars.format(lower)} to ${dollars.format(upper)}${orMore(found)} for ${Math.round(100 * level)} of 100 such places`),
    ...(warnings.length ? [element("p", {}, "Beyond what training saw:"), element("ul", {}, ...warnings)] : []),
    bars(why.explanations[0]),
    alike(why.explanations[0].comparables),
  );
  return why.explanations[0].comparables;
}

/** Show why there is no price. */
export function refuse(refusal, container) {
  const faults = refusal.errors?.map((error) => element("li", {}, `${error.path}: ${error.rule}`)) ?? [];
  container.replaceChildren(
    element("p", { className: "wrong" }, refusal.message), element("ul", {}, ...faults));
}
