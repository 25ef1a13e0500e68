// The synchronous door to the host. Everybody else calls `host`; nobody sees `__host`.

import { decoded, invalid } from "./errors.js";
import { ArrayBuffer, JSON, Uint8Array } from "./primordials.js";

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
export function packed(values) {
  refusal = undefined;
  try {
    return stringify(values, refuse);
  } catch (error) {
    // the error may be the app's own, thrown by a getter: nothing of it is trusted
    throw refusal ?? invalid(`The arguments cannot be sent: ${reason(error)}`);
  }
}

let refusal;

function refuse(key, value) {
  switch (typeof value) {
    case "function":
    case "symbol":
    case "bigint":
      refusal = invalid(`A ${typeof value} cannot be stored or sent (at "${key.slice(0, 80)}").`);
      throw refusal;
    default:
      return value;
  }
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
