/** What the map can show at its places: each layer's points, the ends of its colours, and its words. */

import { ask, dollars } from "./api.js";

const percent = (value) => `${Math.round(100 * value)} %`;
const rows = (value) => `${Number(value.toPrecision(2))} rows per km²`;

/** How far a value is from the low end of a layer's colours to the high one, 0 to 1. */
export const share = ({ low, high }, value) => Math.min(1, Math.max(0, Math.log(value / low) / Math.log(high / low)));

/** From blue over grey to orange: told apart by colour-blind people, in light and dark. */
export function colour(share) {
  const [from, to, part] = share < 0.5
    ? [[33, 102, 172], [140, 140, 140], share * 2]
    : [[140, 140, 140], [230, 110, 10], share * 2 - 1];
  return `rgb(${from.map((start, index) => Math.round(start + part * (to[index] - start))).join(" ")})`;
}

function points(columns, value, text) {
  return columns.longitude.map((longitude, row) => ({
    longitude, latitude: columns.latitude[row], value: value(row), text: () => text(row),
  }));
}

const once = (fetch) => {
  let found = null;
  return () => (found ??= fetch());
};

/** Training rows, and the holdout with its errors: each is fetched once. */
export const places = once(() => ask("/places"));
export const errors = once(() => ask("/places/errors").catch(() => ({ longitude: [], latitude: [], actual: [], predicted: [], ocean_proximity: [] })));

function ofPlaces(name, format) {
  return async () => {
    const found = await places();
    return points(found, (row) => found[name][row], (row) =>
      `${format(found[name][row])}; price ${dollars.format(found.price[row])}, income ${dollars.format(10_000 * found.median_income[row])} a year, built about ${found.housing_median_age[row]} years before`);
  };
}

async function ofErrors() {
  const found = await errors();
  const wrong = found.actual.map((actual, row) => Math.abs(found.predicted[row] - actual) / actual);
  return points(found, (row) => Math.max(wrong[row], 0.001), (row) =>
    `${percent(wrong[row])} off: predicted ${dollars.format(found.predicted[row])}, actual ${dollars.format(found.actual[row])}`);
}

async function ofRecent() {
  const found = await ask("/places/recent");
  return points(found, (row) => found.price[row], (row) => `Priced at ${dollars.format(found.price[row])}`);
}

/** Rows of the person's file that have a price. */
export const file = [];

/** The points of some of its rows, by column. */
export function ofFile(columns) {
  return points(columns, (row) => columns.price[row], (row) => `Row of your file, priced at ${dollars.format(columns.price[row])}`);
}

/** The layers by name, the first of them shown at the start. */
export const LAYERS = {
  price: { title: "Price", low: 75_000, high: 450_000, format: dollars.format, load: ofPlaces("price", dollars.format), none: "" },
  error: { title: "Error on the holdout", low: 0.02, high: 0.5, format: percent, load: ofErrors, none: "This release published no errors by place." },
  width: { title: "Width of the interval", low: 30_000, high: 250_000, format: dollars.format, load: ofPlaces("interval_width", dollars.format), none: "" },
  density: { title: "Density of training rows", low: 0.01, high: 20, format: rows, load: ofPlaces("training_rows", rows), none: "" },
  recent: { title: "Your recent prices", low: 75_000, high: 450_000, format: dollars.format, load: ofRecent, none: "Nothing was priced yet." },
  file: {
    title: "Your file", low: 75_000, high: 450_000, format: dollars.format, none: "No row of a file was priced yet.",
    load: async () => file,
  },
};
