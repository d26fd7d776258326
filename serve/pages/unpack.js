/** The one table in what is packed: .gz, .zst, .zip and .tgz, told by their first bytes. */

const TABLES = /\.(csv|parquet|xlsx)$/;
const MOST_BYTES = 1 << 30;
const decoder = new TextDecoder();

const starts = (bytes, ...mark) => mark.every((byte, at) => bytes[at] === byte);
const isGzip = (bytes) => starts(bytes, 0x1f, 0x8b);
const isZstd = (bytes) => starts(bytes, 0x28, 0xb5, 0x2f, 0xfd);
const isZip = (bytes) => starts(bytes, 0x50, 0x4b, 0x03, 0x04);

/** Undo a compression that the browser knows: gzip or deflate-raw. */
async function inflate(bytes, format) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  const parts = [];
  let size = 0;
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size > MOST_BYTES) throw new Error("The file unpacks to more than 1 GB: price it with housing score.");
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The files of a ZIP archive by name; each is unpacked when it is asked for. */
export function zipped(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new Error("The archive is truncated or damaged.");
  const found = new Map();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    const [method, size] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true)];
    const [named, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const local = view.getUint32(at + 42, true);
    const isLocked = (view.getUint16(at + 8, true) & 1) === 1;
    found.set(decoder.decode(bytes.subarray(at + 46, at + 46 + named)), () => {
      if (isLocked || ![0, 8].includes(method)) throw new Error("The archive has a password, or is packed in an unusual way.");
      const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      const content = bytes.subarray(start, start + size);
      return method === 8 ? inflate(content, "deflate-raw") : content;
    });
    at += 46 + named + extra + comment;
  }
  return found;
}

/** The files of a tar archive by name. */
function tarred(bytes) {
  const found = new Map();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0;) {
    const text = (from, to) => decoder.decode(bytes.subarray(at + from, at + to)).replace(/\0.*$/s, "");
    const size = parseInt(text(124, 136).trim(), 8);
    const kind = text(156, 157);
    const content = bytes.subarray(at + 512, at + 512 + size);
    if (kind === "0" || kind === "") found.set(text(0, 100), () => content);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

const isTar = (bytes) => decoder.decode(bytes.subarray(257, 262)) === "ustar";
const isBook = (files) => files.has("[Content_Types].xml");

async function only(files) {
  const isHidden = (name) => name.split("/").pop().startsWith(".") || name.includes("__MACOSX");
  const tables = [...files].filter(([name]) => TABLES.test(name.toLowerCase()) && !isHidden(name));
  if (tables.length !== 1) throw new Error(`The archive holds ${tables.length} tables (.csv, .parquet, .xlsx), but needs one.`);
  return tables[0][1]();
}

/** The bytes of the table in a file: the file's own where it is not packed. */
export async function unpacked(bytes) {
  let found = bytes;
  if (isGzip(bytes)) {
    found = await inflate(bytes, "gzip").catch((error) => {
      throw error instanceof TypeError ? new Error("The file is truncated or damaged: it cannot be unpacked.") : error;
    });
  } else if (isZstd(bytes)) {
    const { unzstd } = await import("./vendor/parquet.js");
    found = unzstd(bytes);
  } else if (isZip(bytes)) {
    const files = zipped(bytes);
    return isBook(files) ? bytes : only(files);
  }
  return isTar(found) ? only(tarred(found)) : found;
}
