// The request as modules and scripts see it: plain values, each made when it is first read.

import { host, part } from "./bridge.js";
import { parsed as cookies } from "./cookies.js";
import { closed, lazily, put } from "./objects.js";
import { decode } from "./web.js";
import { Array, JSON, Object, URL, URLSearchParams, Uint8Array } from "./primordials.js";

const KEYS = [
  "id", "method", "path", "url", "query", "headers", "cookies", "body", "rawBody", "text", "json", "form", "files",
  "ip", "user", "trigger",
];

export class PlainRequest {
  #asked;
  #bytes;
  #text;

  constructor(asked) {
    this.#asked = asked;
    this.id = asked.id;
    this.method = asked.method;
    if (asked.input !== undefined) this.input = asked.input;
  }

  static asked = (request) => request.#asked;

  static bytes(request) {
    request.#bytes ??= request.#asked.body === "none" ? new Uint8Array(0) : host("body", "");
    return request.#bytes;
  }

  static text(request) {
    request.#text ??= decode(PlainRequest.bytes(request));
    return request.#text;
  }

  toJSON() {
    const shown = {};
    for (const key of [...KEYS, "input"]) if (this[key] !== undefined) shown[key] = this[key];
    return shown;
  }
}

const { asked, bytes, text } = PlainRequest;
closed(PlainRequest, "PlainRequest");

lazily(PlainRequest.prototype, {
  path: (request) => pathOf(asked(request).url),
  url: (request) => addressed(asked(request).url),
  query: (request) => first(new URLSearchParams(queryOf(asked(request).url))),
  headers: (request) => joined(asked(request).headers),
  cookies: (request) => cookies(header(request, "cookie")),
  ip: (request) => asked(request).ip ?? "",
  user: (request) => asked(request).user ?? null,
  trigger: (request) => asked(request).trigger ?? "http",
  text: (request) => text(request),
  rawBody: (request) => (hasBody(request) ? buffer(bytes(request)) : null),
  body: (request) => body(request),
  json: (request) => json(request),
  form: (request) => form(request),
  files: (request) => files(request),
});

const hasBody = (request) => {
  const { body: kind, form, parts } = asked(request);
  return (kind !== undefined && kind !== "none") || form != null || parts != null;
};

const header = (request, name) => asked(request).headers.find(([key]) => key === name)?.[1] ?? "";
const mime = (request) => header(request, "content-type").split(";", 1)[0].trim().toLowerCase();
const isJSON = (type) => type === "application/json" || type.endsWith("+json");
const isForm = (type) => type === "application/x-www-form-urlencoded" || type === "multipart/form-data";

function body(request) {
  if (!hasBody(request)) return null;
  const type = mime(request);
  if (isForm(type)) return readable({ ...request.form }, request);
  if (isJSON(type)) {
    const value = parsed(request);
    return value === undefined ? request.text : readable(value, request);
  }
  if (type.startsWith("text/")) return request.text;
  const whole = bytes(request);
  return whole.byteLength === 0 ? null : buffer(whole);
}

/** So that `JSON.parse(request.body)` reads the same as `request.body`. */
function readable(value, request) {
  if (value === null || typeof value !== "object") return value;
  Object.defineProperty(value, "toString", {
    value: () => request.text,
    writable: true,
    enumerable: false,
    configurable: true,
  });
  return value;
}

function json(request) {
  if (isForm(mime(request))) return { ...request.form };
  return parsed(request) ?? null;
}

function parsed(request) {
  if (!hasBody(request)) return undefined;
  try {
    return JSON.parse(text(request));
  } catch {
    return undefined;
  }
}

function form(request) {
  const { form: pairs } = asked(request);
  if (pairs != null) return first(Array.isArray(pairs) ? pairs : Object.entries(pairs));
  if (mime(request) !== "application/x-www-form-urlencoded") return {};
  return first(new URLSearchParams(text(request)));
}

function files(request) {
  const found = {};
  (asked(request).parts ?? []).forEach((one, index) => put(found, one.field, new UploadedFile(one, index)));
  return found;
}

class UploadedFile {
  #index;

  constructor(part, index) {
    this.name = part.name;
    this.type = part.type;
    this.size = part.size;
    this.#index = index;
  }

  static data = (file) => buffer(part(file.#index, file.size));
}
lazily(UploadedFile.prototype, { data: UploadedFile.data });
closed(UploadedFile, "UploadedFile");

function buffer({ buffer: whole, byteOffset, byteLength }) {
  return byteLength === whole.byteLength ? whole : whole.slice(byteOffset, byteOffset + byteLength);
}

function first(pairs) {
  const values = {};
  for (const [key, value] of pairs) put(values, key, value);
  return values;
}

function joined(headers) {
  const values = {};
  for (const [name, value] of headers) {
    const known = Object.hasOwn(values, name) ? values[name] : undefined;
    if (known === undefined) put(values, name, value);
    else values[name] = name === "cookie" ? `${known}; ${value}` : `${known}, ${value}`;
  }
  return values;
}

function startOfPath(url) {
  const at = url.indexOf("/", url.indexOf("//") + 2);
  return at < 0 ? url.length : at;
}

function pathOf(url) {
  const start = startOfPath(url);
  const mark = url.indexOf("?", start);
  return url.slice(start, mark < 0 ? undefined : mark) || "/";
}

function queryOf(url) {
  const mark = url.indexOf("?", startOfPath(url));
  return mark < 0 ? "" : url.slice(mark + 1);
}

function addressed(href) {
  const { pathname, search, host: name } = new URL(href);
  const url = { pathname, search, query: search.slice(1), href, host: name };
  // `new URL(request.url)` and templates want the text
  Object.defineProperty(url, "toString", { value: () => href, writable: true, configurable: true });
  return url;
}
