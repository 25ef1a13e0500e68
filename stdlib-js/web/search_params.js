import { Map, Reflect, Symbol, TypeError } from "./primordials.js";
import { finish, iterable, need } from "./bytes.js";
import { decodeForm, encodeForm } from "./percent.js";

export const usv = (value) => `${value}`.toWellFormed();

export function parseForm(text) {
  const list = [];
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    list.push(at < 0 ? [decodeForm(pair), ""] : [decodeForm(pair.slice(0, at)), decodeForm(pair.slice(at + 1))]);
  }
  return list;
}

export const serializeForm = (list) =>
  list.map(([name, value]) => `${encodeForm(name)}=${encodeForm(value)}`).join("&");

/** [[name, value]…] from an iterable of pairs or the own members of an object, converted by `text`. */
export function pairsOf(init, what, text) {
  const method = init[Symbol.iterator];
  if (method !== undefined && method !== null) {
    if (typeof method !== "function") throw new TypeError(`${what}: not iterable`);
    const list = [];
    for (const item of { [Symbol.iterator]: () => Reflect.apply(method, init, []) }) {
      if (
        (typeof item !== "object" && typeof item !== "function") ||
        item === null ||
        typeof item[Symbol.iterator] !== "function"
      ) {
        throw new TypeError(`${what}: each item must be a pair`);
      }
      const pair = [];
      for (const part of item) {
        if (pair.length === 2) throw new TypeError(`${what}: each item must be a pair`);
        pair.push(text(part));
      }
      if (pair.length !== 2) throw new TypeError(`${what}: each item must be a pair`);
      list.push(pair);
    }
    return list;
  }
  const list = [];
  for (const key of Reflect.ownKeys(init)) {
    if (Reflect.getOwnPropertyDescriptor(init, key)?.enumerable) list.push([text(key), text(init[key])]);
  }
  return list;
}

let internals;

export class URLSearchParams {
  #list;
  #changed = null;

  static {
    internals = {
      list: (params) => params.#list,
      reset(params, query) {
        params.#list = parseForm(query);
      },
      bind(query, changed) {
        const params = new URLSearchParams();
        params.#list = parseForm(query);
        params.#changed = changed;
        return params;
      },
      is: (value) => typeof value === "object" && value !== null && #list in value,
    };
  }

  constructor(init = "") {
    if ((typeof init === "object" && init !== null) || typeof init === "function") {
      // Two names that become the same text are one member; the last value counts.
      const pairs = pairsOf(init, "URLSearchParams", usv);
      this.#list = init[Symbol.iterator] ? pairs : [...new Map(pairs)];
    } else {
      const text = usv(init);
      this.#list = parseForm(text[0] === "?" ? text.slice(1) : text);
    }
  }

  #update() {
    this.#changed?.(serializeForm(this.#list));
  }

  get size() {
    return this.#list.length;
  }

  append(name, value) {
    need(arguments.length, 2, "URLSearchParams.append");
    this.#list.push([usv(name), usv(value)]);
    this.#update();
  }

  delete(name, value = undefined) {
    need(arguments.length, 1, "URLSearchParams.delete");
    const key = usv(name);
    const only = value === undefined ? undefined : usv(value);
    this.#list = this.#list.filter((pair) => pair[0] !== key || (only !== undefined && pair[1] !== only));
    this.#update();
  }

  get(name) {
    need(arguments.length, 1, "URLSearchParams.get");
    const key = usv(name);
    for (const pair of this.#list) if (pair[0] === key) return pair[1];
    return null;
  }

  getAll(name) {
    need(arguments.length, 1, "URLSearchParams.getAll");
    const key = usv(name);
    return this.#list.filter((pair) => pair[0] === key).map((pair) => pair[1]);
  }

  has(name, value = undefined) {
    need(arguments.length, 1, "URLSearchParams.has");
    const key = usv(name);
    const only = value === undefined ? undefined : usv(value);
    return this.#list.some((pair) => pair[0] === key && (only === undefined || pair[1] === only));
  }

  set(name, value) {
    need(arguments.length, 2, "URLSearchParams.set");
    const key = usv(name);
    const text = usv(value);
    const first = this.#list.find((pair) => pair[0] === key);
    if (first) {
      first[1] = text;
      this.#list = this.#list.filter((pair) => pair === first || pair[0] !== key);
    } else this.#list.push([key, text]);
    this.#update();
  }

  sort() {
    this.#list.sort((one, two) => (one[0] < two[0] ? -1 : one[0] > two[0] ? 1 : 0));
    this.#update();
  }

  toString() {
    return serializeForm(this.#list);
  }
}

export const searchParams = internals;
finish(URLSearchParams, "URLSearchParams");
iterable(URLSearchParams, internals.list, "URLSearchParams");
