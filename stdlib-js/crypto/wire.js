// How pieces of bytes travel to the host and back: as one, with their sizes in the argument.
import { asked, host } from "../prelude/bridge.js";

const { ArrayBuffer, DOMException, JSON, TypeError, Uint8Array } = globalThis;
const LINE_FEED = 10;

export const fail = (name, message) => new DOMException(message, name);

/** What a call of the host gives: bytes for most operations. */
export function ask(op, told, pieces = []) {
  return translated(() => host(op, JSON.stringify({ ...told, sizes: sizesOf(pieces) }), joined(pieces)));
}

/** The same for an operation that answers yes or no. */
export function holds(op, told, pieces) {
  return translated(() => asked(op, JSON.stringify({ ...told, sizes: sizesOf(pieces) }), joined(pieces)));
}

function translated(call) {
  try {
    return call();
  } catch (error) {
    const name = error?.details?.name;
    throw typeof name === "string" ? fail(name, error.message) : error;
  }
}

const sizesOf = (pieces) => pieces.map((piece) => piece.length);

function joined(pieces) {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Bytes of an ArrayBuffer or a view, where nothing else is allowed. They are not copied: they leave at once. */
export function bytesOf(value, name = "data") {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError(`${name} must be an ArrayBuffer or a typed array`);
}

export function bufferOf(bytes) {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
}

/** The first line of a reply as text, and the bytes after it. */
export function lineAndRest(bytes) {
  const end = bytes.indexOf(LINE_FEED);
  return [textOf(bytes.subarray(0, end)), bytes.slice(end + 1)];
}

/** Text of bytes that are known to be ASCII. */
export function textOf(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
