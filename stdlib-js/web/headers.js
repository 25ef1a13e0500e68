import { Array, Map, Object, Set, Symbol, TypeError } from "./primordials.js";
import { finish, iterable, need } from "./bytes.js";
import { pairsOf } from "./search_params.js";

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD = /[\0\r\n]|[^\0-\xff]/;
const EDGE = /^[\t\n\r ]+|[\t\n\r ]+$/g;

// Names and values met before, so that the usual ones cost one look-up.
const names = new Map();
const values = new Set();
const MOST = 200;
for (const name of [
  "Content-Type",
  "Content-Length",
  "Location",
  "Cache-Control",
  "Set-Cookie",
  "ETag",
  "Authorization",
  "Accept",
]) {
  names.set(name, name.toLowerCase());
  names.set(name.toLowerCase(), name.toLowerCase());
}

function nameOf(value) {
  const known = names.get(value);
  if (known !== undefined) return known;
  const text = `${value}`;
  if (!NAME.test(text)) throw new TypeError(`Headers: "${text}" is not a header name`);
  const lower = text.toLowerCase();
  if (names.size < MOST && text.length < 40) names.set(text, lower);
  return lower;
}

function valueOf(value) {
  if (values.has(value)) return value;
  let text = typeof value === "string" ? value : `${value}`;
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  if (first <= 32 || last <= 32) text = text.replace(EDGE, "");
  if (BAD.test(text)) throw new TypeError("Headers: the value has a character that cannot be in a header");
  if (values.size < MOST && text.length < 64) values.add(text);
  return text;
}

// The usual case: nothing but names of text, so that no descriptor has to be looked at.
function isRecord(init) {
  if (Object.getPrototypeOf(init) !== Object.prototype || init[Symbol.iterator] !== undefined) return false;
  return Object.getOwnPropertySymbols(init).length === 0;
}

let internals;

export class Headers {
  #map = new Map();
  #cookies = null;
  #sorted = null;
  #locked = false;

  static {
    internals = {
      is: (value) => typeof value === "object" && value !== null && #map in value,
      /** A Headers of checked lower-case pairs, as they came over the wire. */
      from(pairs) {
        const headers = new Headers();
        for (const [name, value] of pairs) headers.#add(name, value);
        return headers;
      },
      lock(headers) {
        headers.#locked = true;
        return headers;
      },
      copy(headers) {
        const copy = new Headers();
        for (const [name, value] of headers.#map) copy.#map.set(name, value);
        copy.#cookies = headers.#cookies && [...headers.#cookies];
        return copy;
      },
      peek: (headers, name) => headers.#map.get(name),
      put(headers, name, value) {
        headers.#map.set(name, value);
        headers.#sorted = null;
      },
      wire(headers) {
        const list = [...headers.#map];
        for (const cookie of headers.#cookies ?? []) list.push(["set-cookie", cookie]);
        return list;
      },
      sorted(headers) {
        if (!headers.#sorted) {
          const list = internals.wire(headers);
          headers.#sorted =
            list.length < 2 ? list : list.sort((one, two) => (one[0] < two[0] ? -1 : one[0] > two[0] ? 1 : 0));
        }
        return headers.#sorted;
      },
    };
  }

  constructor(init = undefined) {
    if (init === undefined) return;
    if ((typeof init !== "object" && typeof init !== "function") || init === null)
      throw new TypeError("Headers: init must be an object");
    if (isRecord(init)) {
      const keys = Object.keys(init);
      for (let at = 0; at < keys.length; at++) this.#add(nameOf(keys[at]), valueOf(init[keys[at]]));
      return;
    }
    if (Array.isArray(init) || init[Symbol.iterator] !== undefined) {
      if (internals.is(init)) {
        for (const [name, value] of internals.wire(init)) this.#add(name, value);
      } else for (const [name, value] of pairsOf(init, "Headers", text)) this.#add(nameOf(name), valueOf(value));
      return;
    }
    for (const [name, value] of pairsOf(init, "Headers", text)) this.#add(nameOf(name), valueOf(value));
  }

  #add(name, value) {
    this.#sorted = null;
    if (name === "set-cookie") {
      (this.#cookies ??= []).push(value);
      return;
    }
    const before = this.#map.get(name);
    this.#map.set(name, before === undefined ? value : `${before}, ${value}`);
  }

  #check() {
    if (this.#locked) throw new TypeError("Headers: these cannot be changed");
  }

  append(name, value) {
    need(arguments.length, 2, "Headers.append");
    const key = nameOf(name);
    const content = valueOf(value);
    this.#check();
    this.#add(key, content);
  }

  set(name, value) {
    need(arguments.length, 2, "Headers.set");
    const key = nameOf(name);
    const content = valueOf(value);
    this.#check();
    this.#sorted = null;
    if (key === "set-cookie") this.#cookies = [content];
    else this.#map.set(key, content);
  }

  delete(name) {
    need(arguments.length, 1, "Headers.delete");
    const key = nameOf(name);
    this.#check();
    this.#sorted = null;
    if (key === "set-cookie") this.#cookies = null;
    else this.#map.delete(key);
  }

  get(name) {
    need(arguments.length, 1, "Headers.get");
    const key = nameOf(name);
    if (key === "set-cookie") return this.#cookies ? this.#cookies.join(", ") : null;
    return this.#map.get(key) ?? null;
  }

  has(name) {
    need(arguments.length, 1, "Headers.has");
    const key = nameOf(name);
    return key === "set-cookie" ? this.#cookies !== null : this.#map.has(key);
  }

  getSetCookie() {
    return this.#cookies ? [...this.#cookies] : [];
  }
}

// A symbol is no text: String() would accept one.
const text = (value) => (typeof value === "string" ? value : `${value}`);

export const headers = internals;
finish(Headers, "Headers");
iterable(Headers, internals.sorted, "Headers");
