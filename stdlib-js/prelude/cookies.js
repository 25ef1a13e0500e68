// Cookies in and out.

import { bad } from "./headers.js";
import { put } from "./objects.js";
import { Date, JSON, Math, Number, decodeURIComponent, encodeURIComponent } from "./primordials.js";

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SAME_SITE = { strict: "Strict", lax: "Lax", none: "None" };
const BAD_ATTRIBUTE = /[^\x20-\x3a\x3c-\x7e]/;

export function parsed(header) {
  const cookies = {};
  for (const part of header.split(";")) {
    const equals = part.indexOf("=");
    const name = part.slice(0, equals).trim();
    if (equals > 0 && name !== "") put(cookies, name, unquoted(part.slice(equals + 1).trim()));
  }
  return cookies;
}

function unquoted(value) {
  const inner = value.length > 1 && value[0] === '"' && value.endsWith('"') ? value.slice(1, -1) : value;
  if (!inner.includes("%")) return inner;
  try {
    return decodeURIComponent(inner);
  } catch {
    return inner;
  }
}

/** One `Set-Cookie` value from `value` or `{value, maxAge, path, httpOnly, secure, sameSite}`. */
export function written(name, given) {
  if (!NAME.test(name)) throw bad(`The cookie name ${JSON.stringify(name.slice(0, 80))} is not allowed.`);
  const options = given !== null && typeof given === "object" ? given : { value: given };
  const { value, maxAge, path = "/", httpOnly = true, secure = false, sameSite = "Lax", expires } = options;
  let text = `${name}=${encodeURIComponent(plain(value, name))}; Path=${attribute(path, "path")}`;
  if (maxAge !== undefined && maxAge !== null) {
    if (!Number.isFinite(maxAge)) throw bad(`The maxAge of cookie ${name} has to be a number of seconds.`);
    text += `; Max-Age=${Math.trunc(maxAge)}`;
  }
  if (expires !== undefined && expires !== null) text += `; Expires=${date(expires, name)}`;
  if (httpOnly) text += "; HttpOnly";
  const site = sameSite === false ? undefined : SAME_SITE[`${sameSite}`.toLowerCase()];
  if (site === undefined && sameSite !== false) {
    throw bad(`The sameSite of cookie ${name} has to be Strict, Lax or None.`);
  }
  // browsers drop a None that is not secure
  if (secure || site === "None") text += "; Secure";
  return site === undefined ? text : `${text}; SameSite=${site}`;
}

function plain(value, name) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object" || typeof value === "function" || typeof value === "symbol") {
    throw bad(`The value of cookie ${name} has to be a string.`);
  }
  return `${value}`.toWellFormed();
}

function attribute(value, what) {
  if (typeof value !== "string" || BAD_ATTRIBUTE.test(value)) throw bad(`The ${what} of a cookie is not allowed.`);
  return value;
}

function date(value, name) {
  const when = value instanceof Date ? value : new Date(value);
  if (Number.isNaN(when.getTime())) throw bad(`The expires of cookie ${name} is not a date.`);
  return when.toUTCString();
}
