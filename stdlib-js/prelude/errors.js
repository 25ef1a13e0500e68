// The one error of Fazt inside the guest, and how an error travels to the host.

import { Error, JSON, Number, Object, Set, TypeError } from "./primordials.js";

const MOST = 8192;
const ARGUMENT_CODES = new Set(["INVALID_ARGUMENT", "VALIDATION_FAILED", "MISSING_FIELD"]);
const { getOwnPropertyDescriptor } = Object;

export class FaztError extends Error {
  constructor(code, message, hint, details) {
    super(message);
    describe(this, "FaztError", code, hint, details);
  }
}

function describe(error, name, code, hint, details) {
  hidden(error, "name", name);
  hidden(error, "code", code);
  if (hint) hidden(error, "hint", hint);
  if (details) hidden(error, "details", details);
}

function hidden(target, key, value) {
  Object.defineProperty(target, key, { value, writable: true, enumerable: false, configurable: true });
}

/** A FaztError, or a TypeError with a code where the argument is to blame. */
export function faulty(code, message, hint, details) {
  if (!ARGUMENT_CODES.has(code)) return new FaztError(code, message, hint, details);
  const error = new TypeError(message);
  describe(error, "TypeError", code, hint, details);
  return error;
}

export const invalid = (message, hint) => faulty("INVALID_ARGUMENT", message, hint);

export function decoded(text) {
  const { code, message, hint, details } = JSON.parse(text);
  return faulty(code, message, hint, details);
}

/** Thrown by `fazt.auth.require…` and caught by the driver: it carries the response that answers instead. */
export class Interrupt extends Error {
  #response;

  constructor(message, code, response) {
    super(message);
    describe(this, "FaztError", code);
    this.#response = response;
  }

  /** The response if it is one of ours; nothing of the value's own is asked, as it may be anything. */
  static responseOf(thrown) {
    return typeof thrown === "object" && thrown !== null && #response in thrown ? thrown.#response : undefined;
  }
}
// to an app it is the error it looks like: who could make one would say to the host what he likes
Object.defineProperty(Interrupt.prototype, "constructor", { value: FaztError, writable: false, configurable: false });

/** What the host is told about a thrown value, whatever the value tries. */
export function report(thrown, kind) {
  const told = { name: "Error", message: "", kind };
  try {
    fill(told, thrown);
  } catch {
    told.message ||= "an error that cannot be shown";
  }
  return told;
}

function fill(told, thrown) {
  if (thrown === null || (typeof thrown !== "object" && typeof thrown !== "function")) {
    told.name = "Thrown";
    told.message = cut(typeof thrown === "symbol" ? "a symbol" : `${thrown}`);
    return;
  }
  const isError = attempt(() => thrown instanceof Error);
  told.name = text(thrown, "name") || (isError ? "Error" : "Thrown");
  const message = text(thrown, "message");
  told.message = message ?? (isError ? "" : shown(thrown));
  for (const key of ["code", "stack"]) {
    const value = text(thrown, key);
    if (value !== undefined) told[key] = value;
  }
  if (told.stack !== undefined) told.stack = authored(told.stack);
  if (told.code !== undefined) details(told, thrown);
  const status = attempt(() => thrown.status);
  if (Number.isInteger(status)) told.status = status;
  const cause = attempt(() => thrown.cause);
  if (cause !== undefined && cause !== null) told.cause = text(cause, "message") ?? short(cause);
}

/** A stack without the lines of the driver, which are no business of an app's author. */
export function authored(stack) {
  return stack.split("\n").filter((frame) => !/[( ](prelude|web)\.js:\d+/.test(frame)).join("\n");
}

function details(told, thrown) {
  const value = attempt(() => thrown.details);
  const json = value === undefined ? undefined : attempt(() => JSON.stringify(value));
  if (typeof json === "string" && json.length <= MOST) told.details = JSON.parse(json);
}

function text(thrown, key) {
  const value = attempt(() => thrown[key]);
  return typeof value === "string" ? cut(value) : typeof value === "number" ? `${value}` : undefined;
}

// no toString of the app is run here: its own data says enough
function shown(thrown) {
  if (typeof thrown === "function") return "a function";
  const parts = [];
  for (const key of (attempt(() => Object.keys(thrown)) ?? []).slice(0, 8)) {
    const property = attempt(() => getOwnPropertyDescriptor(thrown, key));
    parts.push(`${key}: ${short(property?.value)}`);
  }
  return cut(`{ ${parts.join(", ")} }`);
}

function short(value) {
  if (typeof value === "string") return cut(value).slice(0, 200);
  if (value === null || typeof value === "number" || typeof value === "boolean") return `${value}`;
  return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
}

function attempt(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

// half a character cannot travel
export const cut = (value) => (value.length > MOST ? value.slice(0, MOST) : value).toWellFormed();
