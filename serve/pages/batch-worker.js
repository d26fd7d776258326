/** Prices a file's rows away from the page, which stays free: a thousand at a time, until it is told to stop. */

import { ask, assume } from "./api.js";
import { RESULTS, instance, read } from "./files.js";

const CHUNK = 1000;
const PATIENCE = 100; // times that a busy service is asked again
const SHOWN = 200; // faults that are shown; the file of them has all

let isStopped = false;

/** Price rows; those that the service refuses are set aside and the others asked for again. */
async function price(asked, refuse) {
  if (!asked.length) return [];
  try {
    const { predictions } = await ask("/api/v1/predict", { instances: asked.map(({ place }) => place) }, PATIENCE);
    return asked.map(({ row }, at) => ({ row, prediction: predictions[at] }));
  } catch (refusal) {
    const faults = (refusal.errors ?? []).map((error) => [/^instances\[(\d+)\]\.?(.*)/.exec(error.path), error]);
    const named = faults.filter(([match]) => match);
    if (!named.length) throw refusal;
    for (const [[, at, column], { value, rule }] of named) refuse(asked[Number(at)].row, column, value, rule);
    const wrong = new Set(named.map(([[, at]]) => Number(at)));
    return price(asked.filter((_, at) => !wrong.has(at)), refuse);
  }
}

const cents = (value, decimal) => value.toFixed(2).replace(".", decimal);
const truth = (value) => (value ? "True" : "False"); // as `housing score` writes it
const quote = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** The rows as they came, with their prices beside them. */
function priced(table, prices) {
  const { delimiter, decimal, lineEnd } = table;
  const lines = table.rows.map(({ number, raw }) => {
    const found = prices.get(number);
    const cells = found ? [...found.amounts.map((value) => cents(value, decimal)), truth(found.isOpen)] : RESULTS.map(() => "");
    return [raw, ...cells].join(delimiter);
  });
  return new Blob([[table.header, ...RESULTS].join(delimiter) + lineEnd, ...lines.map((line) => line + lineEnd)], { type: "text/csv" });
}

function faulty(faults) {
  const lines = faults.map(({ row, column, value, rule, line }) => [row, column, value ?? "", rule, line ?? ""].map((cell) => quote(String(cell))).join(","));
  return new Blob([["row,column,value,rule,line", ...lines, ""].join("\n")], { type: "text/csv" });
}

/** What the map needs of priced rows. */
function points(found) {
  const columns = { longitude: [], latitude: [], price: [] };
  for (const { place, prediction } of found) {
    columns.longitude.push(place.longitude);
    columns.latitude.push(place.latitude);
    columns.price.push(prediction.predicted_price);
  }
  return columns;
}

async function priceAll(table, contract, faults) {
  const prices = new Map(), total = table.rows.length + table.faults.length;
  const refuse = (row, column, value, rule) => faults.push({ row: row.number, line: row.line, column, value, rule });
  let done = table.faults.length, problem = "";
  for (let start = 0; start < table.rows.length && !isStopped && !problem; start += CHUNK) {
    const rows = table.rows.slice(start, start + CHUNK);
    const asked = rows.map((row) => ({ row, place: instance(row, table, contract) }));
    const places = new Map(asked.map(({ row, place }) => [row, place]));
    try {
      const found = (await price(asked, refuse)).map((one) => ({ ...one, place: places.get(one.row) }));
      for (const { row, prediction: { predicted_price: value, prediction_interval: { lower, upper }, at_least: isOpen } } of found) {
        prices.set(row.number, { amounts: [value, lower, upper], isOpen });
      }
      done += rows.length;
      postMessage({ done, total, points: points(found) });
    } catch (refusal) {
      problem = refusal.message;
    }
  }
  return { prices, done, total, problem };
}

async function run({ file, contract, identity }) {
  assume(identity);
  const table = await read(new Uint8Array(await file.arrayBuffer()), contract);
  const faults = [...table.faults];
  const { prices, done, total, problem } = await priceAll(table, contract, faults);
  faults.sort((a, b) => a.row - b.row);
  const rejected = new Set(faults.map(({ row }) => row)).size;
  postMessage({
    done, total, priced: prices.size, rejected, problem, isStopped, faults: faults.slice(0, SHOWN), faultCount: faults.length,
    file: priced(table, prices), errors: faults.length ? faulty(faults) : null,
  });
}

addEventListener("message", ({ data }) => {
  if (data === "stop") isStopped = true;
  else run(data).catch((error) => postMessage({ problem: error.message }));
});
