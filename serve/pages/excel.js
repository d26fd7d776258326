/** The first sheet of an Excel file (.xlsx): formulas as they were last computed. */

import { zipped } from "./unpack.js";

const decoder = new TextDecoder();
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const plain = (text) => text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, number, name) => (
  hex || number ? String.fromCodePoint(hex ? parseInt(hex, 16) : Number(number)) : ENTITIES[name] ?? whole));
const attribute = (tag, name) => plain(new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? "");
const elements = (xml, name) => xml.matchAll(new RegExp(`<(?:\\w+:)?${name}(\\s[^>]*?)?(?:/>|>([\\s\\S]*?)</(?:\\w+:)?${name}>)`, "g"));
const words = (xml) => [...elements(xml.replace(/<(?:\w+:)?rPh[\s\S]*?<\/(?:\w+:)?rPh>/g, ""), "t")].map((match) => plain(match[2] ?? "")).join("");

async function text(files, name) {
  const bytes = await files.get(name)?.();
  return bytes ? decoder.decode(bytes) : "";
}

/** The path of the first sheet of the book. */
async function firstSheet(files) {
  const [sheet] = elements(await text(files, "xl/workbook.xml"), "sheet");
  const wanted = attribute(sheet?.[1] ?? "", "(?:\\w+:)?id");
  const links = [...elements(await text(files, "xl/_rels/workbook.xml.rels"), "Relationship")];
  const target = attribute(links.find((link) => attribute(link[1], "Id") === wanted)?.[1] ?? "", "Target");
  if (!target) throw new Error("The file is no sheet of Excel's .xlsx.");
  return target.startsWith("/") ? target.slice(1) : `xl/${target}`;
}

/** The column of a cell's name, from 0: A1 is 0, AB7 is 27. */
function columnOf(name) {
  return [...name.replace(/\d+$/, "")].reduce((sum, letter) => 26 * sum + letter.charCodeAt(0) - 64, 0) - 1;
}

function cell(kind, content, shared) {
  if (kind === "inlineStr") return words(content);
  const found = plain([...elements(content, "v")][0]?.[2] ?? "");
  if (kind === "s") return shared[Number(found)] ?? "";
  if (kind === "b") return found === "1" ? "True" : "False";
  return found && ["", "n"].includes(kind) ? String(Number(found)) : found; // 8.3252000000000006 is 8.3252
}

/** Return the rows of the first sheet as lists of texts. */
export async function read(bytes) {
  const files = zipped(bytes);
  const sheet = await text(files, await firstSheet(files));
  const shared = [...elements(await text(files, "xl/sharedStrings.xml"), "si")].map((match) => words(match[2] ?? ""));
  return Array.from(elements(sheet, "row"), ([, , content]) => {
    const cells = [];
    for (const [, head = "", inside = ""] of elements(content ?? "", "c")) {
      const name = attribute(head, "r");
      cells[name ? columnOf(name) : cells.length] = cell(attribute(head, "t"), inside, shared);
    }
    return Array.from(cells, (found) => found ?? "");
  });
}
