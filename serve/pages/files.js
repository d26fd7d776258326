/** A file's rows as the API takes them: CSV in its variants, Parquet, and Excel, packed or not. */

import * as csv from "./csv.js";
import { unpacked } from "./unpack.js";

export const RESULTS = ["predicted_price", "lower", "upper", "at_least"];

/** What is missing and what is a number, as in `housing_ml/data/values.py`. */
const MISSING = new Set(["", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "null", "none", "nan", "+nan", "-nan",
  "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"]);
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;

/** Where the contract's columns are, whatever the case, padding or spelling of their names. */
export function findColumns(names, { columns, optional }) {
  const twice = names.find((name, at) => name && names.indexOf(name) !== at);
  if (twice) throw new Error(`The file has two columns named ${twice}: leave one.`);
  const taken = names.find((name) => RESULTS.includes(name));
  if (taken) throw new Error(`Column ${taken} is a result's: rename it.`);
  const found = new Map();
  for (const column of columns) {
    const alike = names.flatMap((name, at) => (csv.key(name) === csv.key(column) ? [at] : []));
    if (names.includes(column)) found.set(column, names.indexOf(column));
    else if (alike.length > 1) throw new Error(`The file has two columns for ${column}: ${alike.map((at) => names[at]).join(" and ")}: leave one.`);
    else if (alike.length) found.set(column, alike[0]);
  }
  const lacking = columns.filter((name) => !found.has(name) && !optional.includes(name));
  if (lacking.length) throw new Error(`The first line lacks ${lacking.join(", ")}.`);
  return found;
}

/** What a cell says: a number, a text for the service to judge, or undefined where nothing is. */
function said(cell, isNumber, decimal) {
  if (cell === null || cell === undefined || Number.isNaN(cell)) return undefined;
  if (typeof cell === "bigint") return Number(cell);
  if (typeof cell !== "string") return Number.isFinite(cell) || typeof cell === "boolean" ? cell : String(cell);
  const text = cell.replace(/^[ \t]+|[ \t]+$/g, "");
  if (MISSING.has(text.toLowerCase())) return undefined;
  if (!isNumber) return text;
  const number = decimal === "," ? text.replaceAll(",", ".") : text;
  return NUMBER.test(number) && Number.isFinite(Number(number)) ? Number(number) : text;
}

/** The block group of a row. */
export function instance(row, table, contract) {
  const place = {};
  for (const [name, at] of table.found) {
    const value = said(row.cells[at], contract.numbers.includes(name), table.decimal);
    if (value !== undefined) place[name] = value;
  }
  return place;
}

const quote = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const asText = (cell) => (cell instanceof Date ? cell.toISOString() : String(cell ?? ""));

/** A table of cells that is no CSV: it comes out as CSV. */
function written(names, rows) {
  const lines = rows.map((cells, at) => ({ number: at + 1, line: null, cells, raw: cells.map((cell) => quote(asText(cell))).join(",") }));
  return { header: names.map(quote).join(","), names, delimiter: ",", decimal: ".", lineEnd: "\n", rows: lines, faults: [] };
}

async function parquet(bytes) {
  const { parquetReadObjects, compressors } = await import("./vendor/parquet.js");
  const buffer = bytes.slice().buffer;
  const rows = await parquetReadObjects({ file: buffer, compressors }).catch((error) => {
    throw new Error(`The Parquet file cannot be read: ${error.message}`);
  });
  if (!rows.length) throw new Error("The file has no rows.");
  const names = Object.keys(rows[0]);
  return written(names, rows.map((row) => names.map((name) => row[name])));
}

async function excel(bytes) {
  const { read } = await import("./excel.js");
  const [names, ...rows] = await read(bytes);
  if (!names) throw new Error("The sheet is empty.");
  const width = names.length;
  return written(names, rows.map((cells) => Array.from({ length: width }, (_, at) => cells[at] ?? "")));
}

/** Read a file's table; `contract` has the names of all columns, of the numbers, and of those that may lack. */
export async function read(content, contract) {
  const bytes = await unpacked(content);
  const mark = new TextDecoder("latin1").decode(bytes.subarray(0, 4));
  if (mark === "PAR1") {
    const table = await parquet(bytes);
    return { ...table, found: findColumns(table.names, contract) };
  }
  const isBook = mark === "PK\u0003\u0004";
  const table = isBook ? await excel(bytes) : csv.read(bytes, contract.columns);
  const found = findColumns(table.names, contract);
  const numbers = contract.numbers.filter((name) => found.has(name)).map((name) => found.get(name));
  return { ...table, found, decimal: !isBook && csv.hasDecimalComma(table.rows, numbers) ? "," : "." };
}
