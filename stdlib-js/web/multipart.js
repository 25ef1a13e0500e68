import { Math, TypeError } from "./primordials.js";
import { concat, fromLatin1, latin1 } from "./bytes.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";
import { blobBytes, isBlob, lazyFile } from "./blob.js";
import { FormData, formEntries } from "./form_data.js";

const quoted = (text) => text.replace(/[\n\r"]/g, (char) => (char === "\n" ? "%0A" : char === "\r" ? "%0D" : "%22"));
const lines = (text) => text.replace(/\r\n|\r|\n/g, "\r\n");

function newBoundary() {
  let text = "";
  while (text.length < 32) text += Math.random().toString(36).slice(2);
  return `----formdata-${text.slice(0, 32)}`;
}

/** {boundary, bytes} of a form; the bytes are made by a function so that nothing is read before it must be. */
export function encodeMultipart(form) {
  const boundary = newBoundary();
  const entries = [...formEntries(form)];
  const bytes = () => {
    const chunks = [];
    for (const [name, value] of entries) {
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lines(name))}"`;
      if (isBlob(value)) {
        const type = value.type || "application/octet-stream";
        chunks.push(
          encodeUtf8(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`),
          blobBytes(value),
          encodeUtf8("\r\n"),
        );
      } else chunks.push(encodeUtf8(`${head}\r\n\r\n${lines(value)}\r\n`));
    }
    chunks.push(encodeUtf8(`--${boundary}--\r\n`));
    return concat(chunks);
  };
  return { boundary, bytes };
}

const broken = () => new TypeError("Failed to parse body as FormData");

export function boundaryOf(type) {
  const match = /;[ \t]*boundary=(?:"((?:[^"\\]|\\.)*)"|([^;]*))/i.exec(type);
  const boundary = match && (match[1] !== undefined ? match[1].replace(/\\(.)/g, "$1") : match[2].trim());
  if (!boundary || boundary.length > 70) throw broken();
  return boundary;
}

/** The form in a multipart/form-data body. */
export function decodeMultipart(bytes, boundary) {
  const all = latin1(bytes);
  const mark = `--${boundary}`;
  const form = new FormData();
  if (!all.startsWith(mark)) throw broken();
  let at = mark.length;
  for (;;) {
    if (all.startsWith("--", at)) return form;
    if (!all.startsWith("\r\n", at)) throw broken();
    const headEnd = all.indexOf("\r\n\r\n", at);
    if (headEnd < 0) throw broken();
    const head = headers(all.slice(at + 2, headEnd));
    const start = headEnd + 4;
    const end = all.indexOf(`\r\n${mark}`, start - 2);
    if (end < 0) throw broken();
    addPart(form, head, bytes.subarray(start, Math.max(start, end)));
    at = end + 2 + mark.length;
  }
}

function headers(text) {
  const found = { name: null, filename: null, type: "text/plain" };
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 1) throw broken();
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "content-type") found.type = value;
    if (name !== "content-disposition") continue;
    if (!/^form-data[ \t]*;/i.test(value)) throw broken();
    found.name = parameter(value, "name");
    found.filename = parameter(value, "filename");
  }
  if (found.name === null) throw broken();
  return found;
}

const PARAMETER = { name: /;[ \t]*name="([^"]*)"/i, filename: /;[ \t]*filename="([^"]*)"/i };

function parameter(value, name) {
  const match = PARAMETER[name].exec(value);
  if (!match) return null;
  const text = match[1].replace(/%0A|%0D|%22/gi, (code) =>
    code === "%22" ? '"' : code.toUpperCase() === "%0A" ? "\n" : "\r",
  );
  return decodeUtf8(fromLatin1(text), true);
}

function addPart(form, { name, filename, type }, bytes) {
  if (filename === null) form.append(name, decodeUtf8(bytes));
  else
    form.append(
      name,
      lazyFile(filename, type, bytes.length, () => bytes),
    );
}
