/** CSV text as rows, each as it was written: what cannot be read is set aside, as `housing score` does it. */

const DELIMITERS = [",", ";", "\t", "|"];
const DECIMAL_COMMA = /^\s*[+-]?\d*,\d+\s*$/;
const DECIMAL_POINT = /^\s*[+-]?\d*\.\d+\s*$/;
const LINE_END = /\r\n|\n|\r/g;
const SNIFFED = 200; // rows that tell the decimal sign
const QUOTED = 200; // characters of a broken row that its fault shows

/** What the names of one column have in common: letters and digits, in lower case. */
export const key = (name) => name.replace(/[^\p{L}\p{N}]+/gu, "").toLowerCase();

/** The text of a file, and whether each of its bytes could be read. */
function decode(bytes) {
  const mark = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "";
  const isWide = bytes.length > 1 && (bytes[0] === 0) !== (bytes[1] === 0);
  const encoding = mark || (isWide ? (bytes[0] === 0 ? "utf-16be" : "utf-16le") : "utf-8");
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), isWhole: true };
  } catch {
    return { text: new TextDecoder(encoding).decode(bytes), isWhole: false };
  }
}

/** Where a field that begins at `at` ends; -1 where its quote is not closed. */
function fieldEnd(text, at, stop) {
  let from = at;
  if (text[at] === '"') {
    for (let quote = text.indexOf('"', at + 1); ; quote = text.indexOf('"', quote + 2)) {
      if (quote < 0) return -1;
      from = quote + 1;
      if (text[from] !== '"') break;
    }
  }
  stop.lastIndex = from;
  return stop.exec(text)?.index ?? text.length;
}

function value(field) {
  if (!field.startsWith('"')) return field;
  const close = /^"((?:[^"]|"")*)"/.exec(field);
  return close ? close[1].replaceAll('""', '"') + field.slice(close[0].length) : field;
}

/** The rows from `start` on: number of the line, raw text, cells; cells are null where a quote is open. */
function* walk(text, start, delimiter, width) {
  const stop = delimiter === "|" ? /[|\r\n]/g : new RegExp(`[${delimiter}\r\n]`, "g");
  let at = start, line = text.slice(0, start).match(LINE_END)?.length ?? 0;
  while (at < text.length) {
    const begin = at;
    let cells = [], end = at, isEnded = false;
    while (!isEnded) {
      end = fieldEnd(text, at, stop);
      if (end < 0) break;
      cells.push(value(text.slice(at, end)));
      isEnded = text[end] !== delimiter;
      at = end + (text[end] === "\r" && text[end + 1] === "\n" ? 2 : 1);
    }
    let breaks = isEnded ? text.slice(begin, end).match(LINE_END)?.length ?? 0 : 0;
    if (!isEnded || (breaks && cells.length !== width)) { // a quote too many: its first line is a row of its own
      if (!isEnded) cells = null;
      LINE_END.lastIndex = begin;
      const found = LINE_END.exec(text);
      end = found ? found.index : text.length;
      at = found ? LINE_END.lastIndex : text.length;
      breaks = 0;
    }
    if (end > begin) yield { line: line + 1, raw: text.slice(begin, end), cells };
    line += breaks + 1;
  }
}

const STRANGERS = [["<!doctype html", "a web page: download the file itself"], ["<html", "a web page: download the file itself"],
  ["version https:", "a Git LFS pointer, not the file: git lfs pull fetches it"]];

function refuseStrangers(text) {
  const beginning = text.slice(0, 200).trimStart().toLowerCase();
  const known = STRANGERS.find(([mark]) => beginning.startsWith(mark));
  if (known) throw new Error(`The file is no CSV but ${known[1]}.`);
}

function fault(row, isWhole, width) {
  const odd = isWhole ? -1 : row.raw.indexOf("\ufffd");
  if (odd >= 0) return `is no UTF-8 from its byte ${new TextEncoder().encode(row.raw.slice(0, odd)).length}: in Windows-1252 or Latin-1? Save it as UTF-8`;
  if (!row.cells) return "has a quote that is not closed";
  return row.cells.length === width ? "" : `has ${row.cells.length} values, but the first line names ${width} columns`;
}

/**
 * Read the rows of CSV bytes.
 *
 * Returns the names, how the file is written, its rows ({number, line, raw, cells}, numbers from 1),
 * and the faults of those that cannot be read.
 */
export function read(bytes, columns) {
  const { text, isWhole } = decode(bytes);
  refuseStrangers(text);
  const begin = text.search(/[^\r\n]/);
  if (begin < 0) throw new Error("The file has no first line with the columns' names.");
  LINE_END.lastIndex = begin;
  const first = LINE_END.exec(text);
  const header = text.slice(begin, first ? first.index : text.length);
  const keys = new Set(columns.map(key));
  const names = (delimiter) => walk(header, 0, delimiter, 0).next().value.cells ?? [];
  const known = (delimiter) => new Set(names(delimiter).map(key).filter((name) => keys.has(name))).size;
  const delimiter = DELIMITERS.reduce((best, other) => (known(other) > known(best) ? other : best));
  const width = names(delimiter).length;
  const rows = [], faults = [];
  let number = 0;
  for (const row of first ? walk(text, first.index + first[0].length, delimiter, width) : []) {
    number += 1;
    const rule = fault(row, isWhole, width);
    if (rule) faults.push({ row: number, line: row.line, column: "", value: row.raw.slice(0, QUOTED), rule });
    else rows.push({ number, ...row });
  }
  return { header, names: names(delimiter), delimiter, decimal: ".", lineEnd: first?.[0] === "\r\n" ? "\r\n" : "\n", rows, faults };
}

/** Whether numbers have a comma for a decimal sign and never a point; `positions` are the numbers' columns. */
export function hasDecimalComma(rows, positions) {
  const cells = rows.slice(0, SNIFFED).flatMap((row) => positions.map((at) => row.cells[at]));
  return cells.some((cell) => DECIMAL_COMMA.test(cell)) && !cells.some((cell) => DECIMAL_POINT.test(cell));
}
