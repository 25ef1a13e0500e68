// `Intl`, and the methods of numbers, dates and texts that stand on it. Importing this file installs them.
import { Locale, tagsOf } from "./ask.js";
import { Collator } from "./collator.js";
import { DateTimeFormat } from "./date_format.js";
import { NumberFormat } from "./number_format.js";
import { PluralRules } from "./plural_rules.js";
import { DisplayNames, ListFormat, RelativeTimeFormat } from "./words.js";

const { Array, BigInt, Date, JSON, Map, Number, Object, Reflect, String, Symbol } = globalThis;
const MOST = 64;

const hidden = (target, name, value) =>
  Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });

/** A class that can be called without `new`, as the three oldest ones can. */
function callable(Class) {
  const { [Class.name]: made } = {
    [Class.name]: function (locales, options) {
      return Reflect.construct(Class, [locales, options], new.target ?? made);
    },
  };
  made.prototype = Class.prototype;
  hidden(made.prototype, "constructor", made);
  hidden(made, "supportedLocalesOf", Class.supportedLocalesOf);
  return made;
}

const intl = {};
const all = {
  Collator: callable(Collator), DateTimeFormat: callable(DateTimeFormat), NumberFormat: callable(NumberFormat),
  PluralRules, RelativeTimeFormat, ListFormat, DisplayNames, Locale,
  getCanonicalLocales: (locales) => [...new Set(tagsOf(locales))],
};
for (const [name, value] of Object.entries(all)) hidden(intl, name, value);
Object.defineProperty(intl, Symbol.toStringTag, { value: "Intl", configurable: true });
hidden(globalThis, "Intl", intl);

// Those who call toLocaleString in a loop shall not pay for a formatter each time.
const made = new Map();

function formatter(Class, locales, options, ...more) {
  const simple = (locales === undefined || typeof locales === "string") && (options === undefined || isPlain(options));
  if (!simple) return new Class(locales, options, ...more);
  const key = `${Class.name} ${locales} ${options === undefined ? "" : JSON.stringify(options)} ${more.join()}`;
  let found = made.get(key);
  if (!found) {
    found = new Class(locales, options, ...more);
    if (made.size >= MOST) made.clear();
    made.set(key, found);
  }
  return found;
}

function isPlain(options) {
  if (options === null || typeof options !== "object" || Object.getPrototypeOf(options) !== Object.prototype) return false;
  return Object.values(options).every((value) => typeof value === "string" || typeof value === "boolean" || Number.isInteger(value));
}

const methods = (target, table) => {
  for (const [name, value] of Object.entries(table)) hidden(target.prototype, name, value);
};
const time = Date.prototype.valueOf;
const written = (date, locales, options, needs, usual) => {
  const value = time.call(date);
  return value !== value ? "Invalid Date" : formatter(DateTimeFormat, locales, options, needs, usual).format(value);
};

methods(Number, {
  toLocaleString(locales, options) {
    return formatter(NumberFormat, locales, options).format(Number.prototype.valueOf.call(this));
  },
});
methods(BigInt, {
  toLocaleString(locales, options) {
    return formatter(NumberFormat, locales, options).format(BigInt.prototype.valueOf.call(this));
  },
});
methods(Date, {
  toLocaleString(locales, options) {
    return written(this, locales, options, "any", "all");
  },
  toLocaleDateString(locales, options) {
    return written(this, locales, options, "date", "date");
  },
  toLocaleTimeString(locales, options) {
    return written(this, locales, options, "time", "time");
  },
});
methods(String, {
  localeCompare(other, locales, options) {
    return formatter(Collator, locales, options).compare(String(this), String(other));
  },
});
methods(Array, {
  toLocaleString(locales, options) {
    return Array.prototype.map
      .call(this, (item) => (item === null || item === undefined ? "" : String(item.toLocaleString(locales, options))))
      .join(",");
  },
});
