// Intl.RelativeTimeFormat, Intl.ListFormat and Intl.DisplayNames.
import { ask, choice, optionsOf, supported, tagsOf } from "./ask.js";
import { NumberFormat } from "./number_format.js";
import { pluralOf } from "./plural_rules.js";

const { Array, Number, Object, RangeError, String, Symbol, TypeError } = globalThis;
const STYLES = ["long", "short", "narrow"];

export class RelativeTimeFormat {
  #told;
  #data;
  #numbers;

  constructor(locales, options) {
    const told = optionsOf(options);
    this.#told = { style: choice(told, "style", STYLES, "long"), numeric: choice(told, "numeric", ["always", "auto"], "always") };
    this.#data = ask("intl.relative", { locales: tagsOf(locales), style: this.#told.style });
    this.#numbers = new NumberFormat(this.#data.locale);
  }

  format(value, unit) {
    return this.formatToParts(value, unit).map((part) => part.value).join("");
  }

  formatToParts(value, unit) {
    const number = Number(value);
    const name = String(unit).replace(/s$/, "");
    const forms = Object.hasOwn(this.#data.units, name) ? this.#data.units[name] : undefined;
    if (!forms) throw new RangeError(`Invalid unit argument for format() '${String(unit).slice(0, 40)}'`);
    if (!Number.isFinite(number)) throw new RangeError("Invalid value for format()");
    const near = this.#told.numeric === "auto" && Math.abs(number) <= 1 ? this.#data.near[name]?.[number + 1] : undefined;
    if (near) return [{ type: "literal", value: near }];
    const parts = this.#numbers.formatToParts(Math.abs(number)).map((part) => ({ ...part, unit: name }));
    const table = number < 0 || Object.is(number, -0) ? forms.past : forms.future;
    const text = String(Math.round(Math.abs(number) * 1000) / 1000);
    const [before, after] = (table[pluralOf(this.#data.locale, text)] ?? table.other).split("{0}");
    const literal = (value) => (value ? [{ type: "literal", value }] : []);
    return [...literal(before), ...(after === undefined ? [] : parts), ...literal(after)];
  }

  resolvedOptions() {
    return { locale: this.#data.locale, ...this.#told, numberingSystem: "latn" };
  }

  get [Symbol.toStringTag]() {
    return "Intl.RelativeTimeFormat";
  }

  static supportedLocalesOf(locales) {
    return supported(locales);
  }
}

export class ListFormat {
  #told;
  #data;

  constructor(locales, options) {
    const told = optionsOf(options);
    this.#told = {
      type: choice(told, "type", ["conjunction", "disjunction", "unit"], "conjunction"), style: choice(told, "style", STYLES, "long"),
    };
    this.#data = ask("intl.list", { locales: tagsOf(locales), ...this.#told });
  }

  format(list) {
    return this.formatToParts(list).map((part) => part.value).join("");
  }

  formatToParts(list) {
    const items = list === undefined ? [] : Array.from(list);
    if (items.some((item) => typeof item !== "string")) throw new TypeError("Iterable yielded a value which is not a string");
    const parts = items.slice(0, 1).map((value) => ({ type: "element", value }));
    items.slice(1).forEach((value, n) => {
      const last = n === items.length - 2;
      const pattern = this.#data[items.length === 2 ? "2" : last ? "end" : n === 0 ? "start" : "middle"];
      const [before, between, after] = pattern.split(/\{[01]\}/);
      if (before) parts.unshift({ type: "literal", value: before });
      parts.push({ type: "literal", value: between }, { type: "element", value });
      if (after) parts.push({ type: "literal", value: after });
    });
    return parts;
  }

  resolvedOptions() {
    return { locale: this.#data.locale, ...this.#told };
  }

  get [Symbol.toStringTag]() {
    return "Intl.ListFormat";
  }

  static supportedLocalesOf(locales) {
    return supported(locales);
  }
}

export class DisplayNames {
  #told;
  #tags;

  constructor(locales, options) {
    if (options === undefined || options === null) throw new TypeError("the type of names is needed");
    const type = choice(options, "type", ["language", "region", "script", "currency"], undefined);
    if (type === undefined) throw new TypeError("the type of names is needed");
    this.#told = { style: choice(options, "style", STYLES, "long"), type, fallback: choice(options, "fallback", ["code", "none"], "code") };
    this.#tags = tagsOf(locales);
  }

  of(code) {
    const text = String(code);
    if (!/^[A-Za-z0-9-]{2,35}$/.test(text)) throw new RangeError("Invalid argument to Intl.DisplayNames.prototype.of");
    const { name } = ask("intl.name", { locales: this.#tags, type: this.#told.type, code: text });
    return name ?? (this.#told.fallback === "none" ? undefined : text);
  }

  resolvedOptions() {
    return { locale: ask("intl.locale", { locales: this.#tags }).locale, ...this.#told };
  }

  get [Symbol.toStringTag]() {
    return "Intl.DisplayNames";
  }

  static supportedLocalesOf(locales) {
    return supported(locales);
  }
}
