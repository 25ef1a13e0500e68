// Intl.DateTimeFormat, in the Gregorian calendar.
import { ask, choice, optionsOf, supported, tagsOf, wholeOption } from "./ask.js";
import { offsetOf, zoneOf } from "./zone.js";

const { Date, Number, RangeError, String, Symbol, TypeError } = globalThis;
const TEXT = ["narrow", "short", "long"];
const NUMBER = ["2-digit", "numeric"];
const FIELDS = {
  weekday: TEXT, era: TEXT, year: NUMBER, month: [...NUMBER, ...TEXT], day: NUMBER, dayPeriod: TEXT,
  hour: NUMBER, minute: NUMBER, second: NUMBER,
  timeZoneName: ["short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric"],
};
const STYLES = ["full", "long", "medium", "short"];
const DATE = ["weekday", "year", "month", "day"];
const TIME = ["dayPeriod", "hour", "minute", "second", "fractionalSecondDigits"];
const ALL = { date: { year: "numeric", month: "numeric", day: "numeric" }, time: { hour: "numeric", minute: "numeric", second: "numeric" } };

export class DateTimeFormat {
  #told;
  #zone;
  #data;
  #format;

  constructor(locales, options, needs = "any", usual = "date") {
    const given = optionsOf(options);
    this.#zone = zoneOf(given.timeZone);
    this.#told = understood(given, needs, usual);
    const { numberingSystem } = given;
    this.#data = ask("intl.dates", { ...this.#told, locales: tagsOf(locales), numberingSystem });
  }

  get format() {
    this.#format ??= (date) => joined(this.#parts(timeOf(date)));
    return this.#format;
  }

  formatToParts(date) {
    return this.#parts(timeOf(date));
  }

  formatRange(start, end) {
    const [from, to] = [this.format(start), this.format(end)];
    return from === to ? from : `${from} – ${to}`;
  }

  formatRangeToParts(start, end) {
    const mark = (parts, source) => parts.map((part) => ({ ...part, source }));
    const [from, to] = [this.#parts(timeOf(start)), this.#parts(timeOf(end))];
    if (joined(from) === joined(to)) return mark(from, "shared");
    return [...mark(from, "startRange"), { type: "literal", value: " – ", source: "shared" }, ...mark(to, "endRange")];
  }

  resolvedOptions() {
    const { locale, numberingSystem, hourCycle } = this.#data;
    const { hour12, hourCycle: _, ...told } = this.#told;
    const made = { locale, calendar: "gregory", numberingSystem, timeZone: this.#zone };
    const hours = this.#data.tokens.some(([type]) => type === "hour");
    if (hours) Object.assign(made, { hourCycle, hour12: hourCycle === "h11" || hourCycle === "h12" });
    return { ...made, ...told };
  }

  get [Symbol.toStringTag]() {
    return "Intl.DateTimeFormat";
  }

  static supportedLocalesOf(locales) {
    return supported(locales);
  }

  #parts(time) {
    const shown = new Date(time + offsetOf(this.#zone, time));
    const parts = [];
    for (const [type, letter, size] of this.#data.tokens) {
      if (type === "literal") parts.push({ type, value: letter });
      else parts.push({ type, value: type === "timeZoneName" ? this.#zoneName(time, size) : this.#field(letter, size, shown) });
    }
    return parts;
  }

  #field(letter, size, shown) {
    const words = this.#data.words[letter + size];
    if (words) return words[indexOf(letter, shown)] ?? "";
    const number = numberOf(letter, size, shown);
    const text = letter === "S" ? number.padStart(3, "0").slice(0, size) : number.padStart(letter === "y" && size > 2 ? 1 : size, "0");
    const { digits } = this.#data;
    return digits ? text.replace(/\d/g, (digit) => digits[digit]) : text;
  }

  #zoneName(time, size) {
    const { timeZoneName } = this.#told;
    if (timeZoneName?.endsWith("Offset")) return distance(offsetOf(this.#zone, time), timeZoneName === "longOffset");
    if (this.#zone[0] === "+" || this.#zone[0] === "-") return distance(offsetOf(this.#zone, time), size > 3);
    // names change with the offset only, and so does what is remembered
    const ms = Math.floor(time / 86_400_000) * 86_400_000;
    return ask("intl.zone.name", { locales: [this.#data.locale], zone: this.#zone, ms: nearest(this.#zone, ms, time), long: size > 3 });
  }
}

const nearest = (zone, day, time) => (offsetOf(zone, day) === offsetOf(zone, time) ? day : Math.floor(time / 900_000) * 900_000);

function distance(offset, long) {
  if (offset === 0) return "GMT";
  const minutes = Math.abs(offset) / 60_000;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const end = long || rest ? `:${String(rest).padStart(2, "0")}` : "";
  return `GMT${offset < 0 ? "-" : "+"}${long ? String(hours).padStart(2, "0") : hours}${end}`;
}

function indexOf(letter, shown) {
  switch (letter) {
    case "M":
    case "L":
      return shown.getUTCMonth();
    case "G":
      return shown.getUTCFullYear() > 0 ? 1 : 0;
    case "a":
    case "b":
    case "B":
      return shown.getUTCHours() < 12 ? 0 : 1;
    default:
      return shown.getUTCDay();
  }
}

function numberOf(letter, size, shown) {
  const hour = shown.getUTCHours();
  switch (letter) {
    case "y":
    case "u":
    case "r": {
      const year = shown.getUTCFullYear();
      const counted = letter === "y" && year <= 0 ? 1 - year : year;
      return String(size === 2 ? Math.abs(counted) % 100 : counted);
    }
    case "M":
    case "L":
      return String(shown.getUTCMonth() + 1);
    case "d":
      return String(shown.getUTCDate());
    case "h":
      return String(hour % 12 || 12);
    case "K":
      return String(hour % 12);
    case "k":
      return String(hour || 24);
    case "H":
      return String(hour);
    case "m":
      return String(shown.getUTCMinutes());
    case "s":
      return String(shown.getUTCSeconds());
    default:
      return String(shown.getUTCMilliseconds());
  }
}

const joined = (parts) => {
  let text = "";
  for (const part of parts) text += part.value;
  return text;
};

function timeOf(date) {
  const time = date === undefined ? Date.now() : Number(date);
  if (Math.abs(time) <= 8.64e15) return Math.trunc(time);
  throw new RangeError("Invalid time value");
}

function understood(options, needs, usual) {
  const told = {};
  for (const [name, words] of Object.entries(FIELDS)) {
    const word = choice(options, name, words, undefined);
    if (word !== undefined) told[name] = word;
  }
  const digits = wholeOption(options, "fractionalSecondDigits", 1, 3, undefined);
  if (digits !== undefined) told.fractionalSecondDigits = digits;
  if (options.hour12 !== undefined) told.hour12 = Boolean(options.hour12);
  const cycle = choice(options, "hourCycle", ["h11", "h12", "h23", "h24"], undefined);
  if (cycle !== undefined && told.hour12 === undefined) told.hourCycle = cycle;
  const styles = {};
  for (const name of ["dateStyle", "timeStyle"]) {
    const word = choice(options, name, STYLES, undefined);
    if (word !== undefined) styles[name] = word;
  }
  if (styles.dateStyle || styles.timeStyle) {
    const clash = [...DATE, ...TIME, "era", "timeZoneName"].find((name) => told[name] !== undefined);
    if (clash) throw new TypeError(`Can't set option ${clash} when ${Object.keys(styles)[0]} is used`);
    if (needs === "date" && styles.timeStyle) throw new TypeError("Invalid option : timeStyle");
    if (needs === "time" && styles.dateStyle) throw new TypeError("Invalid option : dateStyle");
    return { ...told, ...styles };
  }
  return withUsual(told, needs, usual);
}

function withUsual(told, needs, usual) {
  const wanted = needs === "date" ? DATE : needs === "time" ? TIME : [...DATE, ...TIME];
  if (wanted.some((name) => told[name] !== undefined)) return told;
  return { ...told, ...(usual !== "time" && ALL.date), ...(usual !== "date" && ALL.time) };
}
