// The synchronous door to the host. Everybody else calls `host`; nobody sees `__host`.

import { crossing, isFine, isRefusal, listed, replaced } from "./crossing.js";
import { decoded, invalid } from "./errors.js";
import { ArrayBuffer, JSON, String, Uint8Array, btoa } from "./primordials.js";

const call = globalThis.__host;
const { parse, stringify } = JSON;

/** The reply of an operation as it is; a reply that is an error is thrown. */
export function host(op, arg, data) {
  const reply = data === undefined ? call(op, arg) : call(op, arg, data);
  if (typeof reply === "string" && reply.charCodeAt(0) === 33) throw decoded(reply.slice(1));
  return reply;
}

/** The reply of an operation that answers JSON; no text is undefined. */
export function asked(op, arg, data) {
  const reply = data === undefined ? call(op, arg) : call(op, arg, data);
  if (typeof reply !== "string") return reply;
  if (reply === "") return undefined;
  if (reply.charCodeAt(0) === 33) throw decoded(reply.slice(1));
  return parse(reply);
}

/** Arguments as JSON text: what JSON cannot say is refused instead of lost. */
export function packed(values, label, names = [], forms = []) {
  const sent = [];
  try {
    for (let at = 0; at < values.length; at++) {
      const value = values[at];
      const form = forms[at];
      sent[at] = typeof value === "string" || isAsItIs(value, form) ? value : formed(value, names[at], form, label);
    }
    return stringify(sent);
  } catch (error) {
    // the error may be the app's own, thrown by a getter: nothing of it is trusted
    throw isRefusal(error) ? error : invalid(`The arguments cannot be sent: ${reason(error)}`);
  }
}

function isAsItIs(value, form) {
  if (typeof value !== "object" || value === null || (form !== undefined && form !== "query")) return false;
  return isFine(value, form !== undefined);
}

function formed(value, name = "the arguments", form = undefined, label = undefined) {
  const where = label === undefined ? name : `${label}: ${name}`;
  if (form === "numbers") value = listed(value);
  else if (form === "blobs") value = replaced(value, blob);
  else if (typeof form === "object" && value) {
    // options, some of which are queries
    value = { ...value };
    for (const option of form) {
      if (value[option] !== undefined) value[option] = crossing(value[option], `${where}.${option}`, true);
    }
  }
  return crossing(value, where, form === "query");
}

/** Bytes as SQL takes them. */
const blob = (value) =>
  ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? { $blob: base64(bytes(value)) } : value;

export function base64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 4096) binary += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(binary);
}

function reason(error) {
  try {
    const { message } = error;
    return typeof message === "string" ? message.slice(0, 500) : "not JSON";
  } catch {
    return "not JSON";
  }
}

/** Bytes in any form as the host takes them: a string stays a string. */
export function bytes(value, name = "data") {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw invalid(`${name}: expected a string, an ArrayBuffer or a typed array.`);
}

const MOST_PIECE = 8 << 20;

/** A file of a form, piece by piece: a reply has its limit. */
export function part(index, size) {
  if (size <= MOST_PIECE) return host("part", `[${index}]`);
  const whole = new Uint8Array(size);
  for (let at = 0; at < size; at += MOST_PIECE) whole.set(host("part", `[${index},${at},${MOST_PIECE}]`), at);
  return whole;
}
