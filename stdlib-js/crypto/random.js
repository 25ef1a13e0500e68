// Random bytes of the host.
import { host } from "../prelude/bridge.js";
import { fail } from "./wire.js";

const { ArrayBuffer, Uint8Array } = globalThis;
const MOST = 65536;
const WHOLE = new Set([
  "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
  "BigInt64Array", "BigUint64Array",
]);
const kindOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export const random = (size) => (size === 0 ? new Uint8Array(0) : host("random", `${size}`));

export function getRandomValues(array) {
  if (!ArrayBuffer.isView(array) || !WHOLE.has(kindOf.call(array))) {
    throw fail("TypeMismatchError", "a typed array of whole numbers is needed");
  }
  if (array.byteLength > MOST) throw fail("QuotaExceededError", `at most ${MOST} bytes at once`);
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(random(array.byteLength));
  return array;
}

export function randomUUID() {
  const bytes = random(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  let text = "";
  for (let n = 0; n < 16; n += 1) text += (n === 4 || n === 6 || n === 8 || n === 10 ? "-" : "") + HEX[bytes[n]];
  return text;
}
