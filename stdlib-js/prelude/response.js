// What a module or a script gave back, as the response the host is told.

import { bytes, host } from "./bridge.js";
import { written } from "./cookies.js";
import { bad, lines, named, pairs } from "./headers.js";
import { answer } from "./invocation.js";
import { MOST_BODY, tooLarge } from "./limits.js";
import { isPlain } from "./objects.js";
import { ArrayBuffer, JSON, Number, Object, Response, Set, encodeURI } from "./primordials.js";
import { send } from "./web_response.js";

const KEYS = new Set(["status", "headers", "body", "json", "html", "text", "redirect", "cookies"]);
const HTML = "text/html; charset=utf-8";
const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

/** A value becomes a response: nothing at all is 204, a descriptor says itself, everything else is the body. */
export function deliver(invocation, value) {
  if (value === undefined) return answer(invocation, "D204 []\n");
  if (value instanceof Response) return send(invocation, value);
  if (isDescriptor(value)) return described(invocation, value);
  return body(invocation, 200, [], value);
}

export function isDescriptor(value) {
  if (!isPlain(value)) return false;
  const keys = Object.keys(value);
  if (keys.length === 0 || !keys.every((key) => KEYS.has(key))) return false;
  return value.status === undefined || Number.isInteger(value.status);
}

function described(invocation, value) {
  const { status = value.redirect === undefined ? 200 : 302 } = value;
  const headers = pairs(value.headers);
  for (const [name, cookie] of Object.entries(value.cookies ?? {})) headers.push(["set-cookie", written(name, cookie)]);
  if (value.redirect !== undefined) return redirect(invocation, status, headers, value.redirect);
  if (value.json !== undefined) return json(invocation, status, headers, value.json);
  if (value.html !== undefined) return text(invocation, status, headers, value.html, HTML, "html");
  if (value.text !== undefined) return text(invocation, status, headers, value.text, TEXT, "text");
  return body(invocation, status, headers, value.body);
}

function redirect(invocation, status, headers, target) {
  if (typeof target !== "string" || target === "") throw bad("redirect: expected an address.");
  if (/[\r\n\0]/.test(target)) throw bad("redirect: the address holds a character that is not allowed.");
  const location = /[^\x21-\x7e]/.test(target) ? encodeURI(target.toWellFormed()) : target;
  const kind = status >= 300 && status < 400 ? status : 302;
  return out(invocation, kind, [...headers.filter(([name]) => name !== "location"), ["location", location]], "");
}

function json(invocation, status, headers, value) {
  let made;
  try {
    made = JSON.stringify(value);
  } catch (error) {
    throw bad(`The response cannot be written as JSON: ${why(error)}`);
  }
  if (made === undefined) throw bad(`The response cannot be written as JSON: it is a ${typeof value}.`);
  return typed(invocation, status, headers, made, JSON_TYPE);
}

function why(error) {
  const message = error?.message;
  return typeof message === "string" ? message.slice(0, 500) : "it throws";
}

function text(invocation, status, headers, value, type, name) {
  if (value === null || typeof value === "object" || typeof value === "function" || typeof value === "symbol") {
    throw bad(`${name}: expected a string.`);
  }
  return typed(invocation, status, headers, `${value}`, type);
}

function body(invocation, status, headers, value) {
  if (value === undefined) return out(invocation, status, headers, "");
  if (typeof value === "string") return typed(invocation, status, headers, value, guessed(value));
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return typed(invocation, status, headers, bytes(value), "application/octet-stream");
  }
  return json(invocation, status, headers, value);
}

/** What a text is, by its beginning; what may be JSON has to be JSON. */
function guessed(value) {
  const start = value.slice(0, 256).trimStart();
  if (/^<(!doctype|html)\b/i.test(start)) return HTML;
  if (start[0] === "{" || start[0] === "[") {
    try {
      JSON.parse(value);
      return JSON_TYPE;
    } catch {
      return TEXT;
    }
  }
  return TEXT;
}

function typed(invocation, status, headers, content, type) {
  if (named(headers, "content-type") === undefined) headers.push(["content-type", type]);
  return out(invocation, status, headers, content);
}

export function out(invocation, status, headers, content) {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw bad(`The status ${typeof status === "number" ? status : typeof status} is not between 200 and 599.`);
  }
  if (content.length > MOST_BODY) throw tooLarge();
  // a body would be the beginning of the next response on the wire
  if (status === 204 || status === 205 || status === 304) {
    return answer(invocation, `D${status} ${lines(headers.filter(([name]) => name !== "content-type"))}\n`);
  }
  if (typeof content === "string") {
    const text = content.isWellFormed() ? content : content.toWellFormed();
    return answer(invocation, `D${status} ${lines(headers)}\n${text}`);
  }
  host("out", "", content);
  return answer(invocation, `B${status} ${lines(headers)}`);
}
