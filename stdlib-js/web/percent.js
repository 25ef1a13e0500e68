import { RegExp, String, Uint8Array, decodeURIComponent, encodeURIComponent, parseInt } from "./primordials.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

const HEX = [];
for (let at = 0; at < 256; at++) HEX.push(`%${at < 16 ? "0" : ""}${at.toString(16).toUpperCase()}`);

function encoderOf(extra) {
  const all = new RegExp(`[\\x00-\\x1f\\x7f-\\u{10ffff}${extra}]`, "gu");
  const one = new RegExp(`[\\x00-\\x1f\\x7f-\\uffff${extra}]`);
  const encode = (char) => (char.charCodeAt(0) < 0x80 ? HEX[char.charCodeAt(0)] : encodeURIComponent(char));
  return (text) => (one.test(text) ? text.replace(all, encode) : text);
}

const QUERY = ' "#<>';
const PATH = `${QUERY}?\\^\`{}`;
export const encodeControl = encoderOf("");
export const encodeFragment = encoderOf(' "<>`');
export const encodeQuery = encoderOf(QUERY);
export const encodeSpecialQuery = encoderOf(`${QUERY}'`);
export const encodePath = encoderOf(PATH);
export const encodeUserinfo = encoderOf(`${PATH}/:;=@\\[\\\\\\]|`);

const isHex = (code) => (code >= 48 && code <= 57) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);

function decodeBytes(text) {
  const bytes = encodeUtf8(text);
  const out = new Uint8Array(bytes.length);
  let size = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 37 && isHex(bytes[at + 1]) && isHex(bytes[at + 2])) {
      out[size++] = parseInt(String.fromCharCode(bytes[at + 1], bytes[at + 2]), 16);
      at += 2;
    } else out[size++] = bytes[at];
  }
  return out.subarray(0, size);
}

/** Percent-decoding to text; what is not UTF-8 becomes U+FFFD, a stray % stays. */
export function percentDecode(text) {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return decodeUtf8(decodeBytes(text), true);
  }
}

const plus = (char) => (char === "%20" ? "+" : HEX[char.charCodeAt(0)]);

export function encodeForm(text) {
  return encodeURIComponent(text).replace(/%20|[!'()~]/g, plus);
}

export function decodeForm(text) {
  return percentDecode(text.includes("+") ? text.replaceAll("+", " ") : text);
}
