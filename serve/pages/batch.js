/** A CSV file priced a thousand rows at a time, with the rows that break a rule listed. */

import { ask, element } from "./api.js";
import { names, numbers } from "./form.js";

const CHUNK = 1000;
const SHOWN = 200;

/** What is missing and what is a number, as in `housing_ml/data/values.py`. */
const MISSING = new Set(["", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "null", "none", "nan", "+nan", "-nan",
  "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"]);
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;

/** Split CSV text into rows of cells; quoted cells may hold commas, quotes and line ends. */
export function parse(text) {
  const rows = [];
  let row = [], cell = "", quoted = false;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    cell = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (quoted && sign === '"' && text[at + 1] === '"') { cell += '"'; at += 1; }
    else if (sign === '"') quoted = !quoted;
    else if (quoted) cell += sign;
    else if (sign === ",") { row.push(cell); cell = ""; }
    else if (sign === "\n") endRow();
    else if (sign !== "\r") cell += sign;
  }
  if (cell !== "" || row.length) endRow();
  return rows;
}

const quote = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** The block group of a row; a cell that is no number stays text, for the service to refuse. */
function instance(header, row) {
  const numeric = new Set(numbers().map((field) => field.name));
  const place = {};
  header.forEach((name, index) => {
    const cell = (row[index] ?? "").replace(/^[ \t]+|[ \t]+$/g, "");
    if (!names().includes(name) || MISSING.has(cell.toLowerCase())) return;
    place[name] = numeric.has(name) && NUMBER.test(cell) ? Number(cell) : cell;
  });
  return place;
}

/** Price rows; those that the service refuses are set aside and the others asked for again. */
async function price(rows, refused) {
  const kept = rows.filter(({ number }) => !refused.has(number));
  if (!kept.length) return new Map();
  try {
    const answer = await ask("/api/v1/predict", { instances: kept.map(({ place }) => place) });
    return new Map(kept.map(({ number }, index) => [number, answer.predictions[index]]));
  } catch (refusal) {
    const faults = (refusal.errors ?? []).map((error) => [/^instances\[(\d+)\]\.?(.*)/.exec(error.path), error]);
    const named = faults.filter(([match]) => match);
    if (!named.length) throw refusal;
    for (const [[, index, field], { rule }] of named) {
      const { number } = kept[Number(index)];
      refused.set(number, [...(refused.get(number) ?? []), `${field} ${rule}`]);
    }
    return price(rows, refused);
  }
}

function showRefused(refused, container) {
  if (!refused.size) return container.replaceChildren();
  const rows = [...refused].slice(0, SHOWN).map(([number, faults]) => element("tr", {},
    element("th", { scope: "row" }, String(number)), element("td", {}, faults.join("; "))));
  const more = refused.size > SHOWN ? `, the first ${SHOWN} of them here` : "";
  const caption = element("caption", {}, `${refused.size} rows without a price${more}`);
  const table = element("table", {}, caption, element("tbody", {}, ...rows));
  const frame = element("div", { className: "scroll", tabIndex: 0 }, table);
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Rows without a price");
  return container.replaceChildren(frame);
}

function offer(name, header, rows, prices, link) {
  const lines = rows.map((row, index) => {
    const found = prices.get(index + 1);
    const { lower, upper } = found?.prediction_interval ?? {};
    const added = found ? [found.predicted_price, lower, upper].map((value) => value.toFixed(2)) : ["", "", ""];
    return [...header.map((_, column) => quote(row[column] ?? "")), ...added].join(",");
  });
  const text = [[...header.map(quote), "predicted_price", "lower", "upper"].join(","), ...lines, ""].join("\n");
  URL.revokeObjectURL(link.href);
  Object.assign(link, {
    href: URL.createObjectURL(new Blob([text], { type: "text/csv" })),
    download: name.replace(/(\.csv)?$/i, "-priced.csv"), hidden: false,
  });
}

async function run(file, parts) {
  const [header, ...rows] = parse(await file.text());
  const missing = names().filter((name) => name !== "total_bedrooms" && !header?.includes(name));
  if (missing.length) throw new Error(`The first line lacks ${missing.join(", ")}.`);
  const refused = new Map(), prices = new Map();
  for (let start = 0; start < rows.length; start += CHUNK) {
    const chunk = rows.slice(start, start + CHUNK).map((row, index) => ({
      number: start + index + 1, place: instance(header, row),
    }));
    for (const [number, found] of await price(chunk, refused)) prices.set(number, found);
    const done = Math.min(start + CHUNK, rows.length);
    parts.progress.value = done / rows.length;
    parts.text.textContent = `${done.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")} rows`;
  }
  parts.text.textContent = `${prices.size.toLocaleString("en-US")} rows priced, ${refused.size} not.`;
  showRefused(refused, parts.errors);
  offer(file.name, header, rows, prices, parts.link);
}

/** Price the file that a person chooses. */
export function listen() {
  const get = (id) => document.getElementById(id);
  const parts = {
    progress: get("progress"), text: get("progress-text"), link: get("download"), errors: get("batch-errors"),
  };
  get("file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    get("batch").hidden = false;
    parts.link.hidden = true;
    parts.errors.replaceChildren();
    parts.progress.value = 0;
    try {
      await run(file, parts);
    } catch (error) {
      parts.text.textContent = error.message;
    }
  });
}
