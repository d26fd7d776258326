/** A file of many rows: priced by a worker, drawn on the map, with its errors by row and a download. */

import { at, element, identity } from "./api.js";
import { names, numbers, optional } from "./form.js";
import * as map from "./map.js";

const get = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en-US");
let worker = null;

function showFaults({ faults, faultCount, rejected }) {
  if (!faultCount) return get("batch-errors").replaceChildren();
  const rows = faults.map(({ row, line, column, value, rule }) => element("tr", {}, element("th", { scope: "row" }, String(row)),
    element("td", {}, column), element("td", {}, `${value === "" || value === null ? "" : `${JSON.stringify(value)} `}${rule}`),
    element("td", {}, line ? `line ${line}` : "")));
  const more = faultCount > faults.length ? `; the first ${count(faults.length)} of ${count(faultCount)} errors` : "";
  const caption = element("caption", {}, `${count(rejected)} rows without a price, numbered from 1${more}`);
  const table = element("table", {}, caption, element("tbody", {}, ...rows));
  const frame = element("div", { className: "scroll", tabIndex: 0 }, table);
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Rows without a price");
  return get("batch-errors").replaceChildren(frame);
}

function offer(link, content, name) {
  URL.revokeObjectURL(link.href);
  link.hidden = !content;
  if (content) Object.assign(link, { href: URL.createObjectURL(content), download: name });
}

function end(name, found) {
  const stem = name.replace(/(\.(csv|parquet|xlsx|gz|zst|zip|tgz|tar))+$/i, "");
  const why = found.problem ? ` It ended early: ${found.problem}` : found.isStopped ? " You stopped it." : "";
  get("progress-text").textContent = found.file ? `${count(found.priced)} rows priced, ${count(found.rejected)} not.${why}` : found.problem;
  get("stop").hidden = true;
  if (!found.file) return;
  showFaults(found);
  offer(get("download"), found.file, `${stem}-priced.csv`);
  offer(get("download-errors"), found.errors, `${stem}-errors.csv`);
}

function begin(file) {
  worker?.terminate();
  worker = new Worker(at("/assets/batch-worker.js"), { type: "module" });
  get("batch").hidden = get("stop").hidden = false;
  get("download").hidden = get("download-errors").hidden = true;
  get("batch-errors").replaceChildren();
  get("progress").value = 0;
  get("progress-text").textContent = "Reading the file.";
  map.clearFile();
  worker.addEventListener("message", ({ data }) => {
    if (data.points) {
      get("progress").value = data.done / data.total;
      get("progress-text").textContent = `${count(data.done)} of ${count(data.total)} rows`;
      map.addFile(data.points);
    } else {
      if (data.total && data.done === data.total) get("progress").value = 1;
      end(file.name, data);
    }
  });
  worker.addEventListener("error", () => end(file.name, { problem: "The file could not be read." }));
  const contract = { columns: names(), numbers: numbers().map(({ name }) => name), optional: optional() };
  worker.postMessage({ file, contract, identity: identity() });
}

/** Price the file that a person chooses or drops, and draw what has a price so far. */
export function listen() {
  get("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) begin(target.files[0]);
    target.value = ""; // the same file can be chosen again
  });
  get("stop").addEventListener("click", () => worker.postMessage("stop"));
  const section = get("files");
  section.addEventListener("dragover", (event) => event.preventDefault());
  section.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) begin(file);
  });
}
