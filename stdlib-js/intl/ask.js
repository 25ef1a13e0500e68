// What the host knows of languages, asked once.
import { host } from "../prelude/bridge.js";

const { Array, JSON, Map, Number, Object, RangeError, String, TypeError } = globalThis;
const MOST = 256;
const answers = new Map();

export function ask(op, told) {
  const arg = JSON.stringify(told);
  const key = `${op} ${arg}`;
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = JSON.parse(translated(op, arg));
    if (answers.size >= MOST) answers.clear();
    answers.set(key, answer);
  }
  return answer;
}

function translated(op, arg) {
  try {
    return host(op, arg);
  } catch (error) {
    throw error?.details?.name === "RangeError" ? new RangeError(error.message) : error;
  }
}

/** The languages an app names, as a list of tags. */
export function tagsOf(locales) {
  if (locales === undefined) return [];
  if (locales === null) throw new TypeError("Cannot convert null to object");
  const given = typeof locales === "string" || locales instanceof Locale ? [locales] : Array.from(locales);
  return given.map((tag) => {
    if (typeof tag !== "string" && (tag === null || typeof tag !== "object")) {
      throw new TypeError("Language ID should be string or object.");
    }
    return wellFormed(String(tag));
  });
}

export function wellFormed(tag) {
  if (/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}$/.test(tag)) return tag;
  throw new RangeError(`Incorrect locale information provided: ${tag.slice(0, 80)}`);
}

/** One of the words an option may be. */
export function choice(options, name, words, otherwise) {
  const value = options[name];
  if (value === undefined) return otherwise;
  const word = String(value);
  if (words.includes(word)) return word;
  throw new RangeError(`Value ${word.slice(0, 40)} out of range for Intl options property ${name}`);
}

export function wholeOption(options, name, least, most, otherwise) {
  const value = options[name];
  if (value === undefined) return otherwise;
  const number = Number(value);
  if (number >= least && number <= most) return Math.floor(number);
  throw new RangeError(`${name} value is out of range.`);
}

export function optionsOf(options) {
  if (options === undefined) return {};
  if (options === null) throw new TypeError("Cannot convert undefined or null to object");
  return Object(options);
}

export const supported = (locales) => {
  const locale = tagsOf(locales);
  return locale.length ? [...ask("intl.supported", { locales: locale })] : [];
};

export class Locale {
  #tag;

  constructor(tag) {
    this.#tag = wellFormed(String(tag));
  }

  get baseName() {
    return this.#tag.split(/-[a-z0-9]-/i)[0];
  }

  get language() {
    return this.#tag.split("-")[0].toLowerCase();
  }

  get region() {
    return this.baseName.split("-").slice(1).find((part) => /^([A-Za-z]{2}|\d{3})$/.test(part))?.toUpperCase();
  }

  get script() {
    return this.baseName.split("-").slice(1).find((part) => /^[A-Za-z]{4}$/.test(part));
  }

  toString() {
    return this.#tag;
  }

  toJSON() {
    return this.#tag;
  }
}
