// Intl.NumberFormat.
import { ask, choice, optionsOf, supported, tagsOf, wholeOption } from "./ask.js";
import { decimalOf, isZero, magnitude, rounded, shift } from "./decimal.js";
import { pluralOf } from "./plural_rules.js";

const { Object, RangeError, String, Symbol, TypeError } = globalThis;
const MODES = ["ceil", "floor", "expand", "trunc", "halfCeil", "halfFloor", "halfExpand", "halfTrunc", "halfEven"];

export class NumberFormat {
  #told;
  #data;
  #format;

  constructor(locales, options) {
    this.#told = understood(optionsOf(options));
    const { style, currency, currencyDisplay, currencySign, unit, unitDisplay, notation, compactDisplay } = this.#told;
    const asked = { locales: tagsOf(locales), style, currency, currencyDisplay, currencySign, unit, unitDisplay };
    this.#data = ask("intl.numbers", { ...asked, notation, compactDisplay, numberingSystem: this.#told.numberingSystem });
    Object.assign(this.#told, digitsAsked(this.#told, this.#data, optionsOf(options)));
  }

  get format() {
    this.#format ??= (value) => joined(this.#parts(value));
    return this.#format;
  }

  formatToParts(value) {
    return this.#parts(value);
  }

  formatRange(start, end) {
    const [from, to] = [this.format(start), this.format(end)];
    return from === to ? `~${from}` : `${from}–${to}`;
  }

  resolvedOptions() {
    const { currency, currencyDisplay, currencySign, unit, unitDisplay, compactDisplay, ...told } = this.#told;
    const made = { locale: this.#data.locale, numberingSystem: this.#data.numberingSystem, style: told.style };
    if (told.style === "currency") Object.assign(made, { currency, currencyDisplay, currencySign });
    if (told.style === "unit") Object.assign(made, { unit, unitDisplay });
    const { minimumSignificantDigits, maximumSignificantDigits, minimumFractionDigits, maximumFractionDigits } = told;
    made.minimumIntegerDigits = told.minimumIntegerDigits;
    if (maximumSignificantDigits) Object.assign(made, { minimumSignificantDigits, maximumSignificantDigits });
    else Object.assign(made, { minimumFractionDigits, maximumFractionDigits });
    Object.assign(made, { useGrouping: told.useGrouping, notation: told.notation });
    if (told.notation === "compact") made.compactDisplay = compactDisplay;
    return {
      ...made, signDisplay: told.signDisplay, roundingIncrement: 1, roundingMode: told.roundingMode,
      roundingPriority: told.compactRounding ? "morePrecision" : "auto", trailingZeroDisplay: told.trailingZeroDisplay,
    };
  }

  get [Symbol.toStringTag]() {
    return "Intl.NumberFormat";
  }

  static supportedLocalesOf(locales) {
    return supported(locales);
  }

  #parts(value) {
    let decimal = decimalOf(value);
    if (decimal.special) return this.#around(decimal, [{ type: decimal.special, value: this.#data.symbols[decimal.special] }], "other");
    if (this.#told.style === "percent") decimal = shift(decimal, 2);
    if (this.#told.notation === "compact") return this.#compact(decimal);
    if (this.#told.notation !== "standard") return this.#scientific(decimal);
    const digits = cut(decimal, this.#told);
    return this.#around({ ...decimal, zero: isZero(digits) }, this.#number(digits), plain(digits));
  }

  #number(digits, grouping = this.#told.useGrouping) {
    const { symbols, grouping: sizes, least } = this.#data;
    const whole = digits.whole.padStart(this.#told.minimumIntegerDigits, "0");
    const parts = [];
    const needed = grouping === "min2" || grouping === "auto" ? (grouping === "min2" ? 2 : least) : 1;
    for (const group of grouping === false ? [whole] : groups(whole, sizes, needed)) {
      if (parts.length) parts.push({ type: "group", value: symbols.group });
      parts.push({ type: "integer", value: this.#native(group) });
    }
    if (digits.fraction) {
      parts.push({ type: "decimal", value: symbols.decimal }, { type: "fraction", value: this.#native(digits.fraction) });
    }
    return parts;
  }

  #native(digits) {
    const own = this.#data.digits;
    return own ? digits.replace(/\d/g, (digit) => own[digit]) : digits;
  }

  #scientific(decimal) {
    const size = isZero(decimal) ? 1 : magnitude(decimal);
    const step = this.#told.notation === "engineering" ? Math.floor((size - 1) / 3) * 3 : size - 1;
    const digits = cut(shift(decimal, -step), this.#told);
    const exponent = [{ type: "exponentInteger", value: this.#native(String(Math.abs(step))) }];
    if (step < 0) exponent.unshift({ type: "exponentMinusSign", value: this.#data.symbols.minusSign });
    exponent.unshift({ type: "exponentSeparator", value: this.#data.symbols.exponential });
    return this.#around({ ...decimal, zero: isZero(digits) }, [...this.#number(digits, false), ...exponent], "other");
  }

  #compact(decimal) {
    let size = Math.max(1, magnitude(decimal));
    let scaled = this.#scaled(decimal, size);
    const grown = magnitude(scaled.digits) + scaled.places;
    if (grown > size) {
      size = grown;
      scaled = this.#scaled(decimal, size);
    }
    const { digits, forms } = scaled;
    // the usual rule of compact numbers: groups from five digits on
    const grouping = this.#told.useGrouping === "auto" ? "min2" : this.#told.useGrouping;
    const number = this.#number(digits, grouping);
    const form = forms && (forms[pluralOf(this.#data.locale, plain(digits))] ?? forms.other);
    return this.#around({ ...decimal, zero: isZero(digits) }, number, plain(digits), form);
  }

  #scaled(decimal, size) {
    const table = this.#data.compact;
    const largest = Object.keys(table).length ? Math.max(...Object.keys(table).map(Number)) : 0;
    const forms = table[Math.min(size, largest)];
    const zeros = /0+/.exec(forms?.other ?? "0")[0].length;
    const places = forms && forms.other !== "0" ? Math.min(size, largest) - zeros : 0;
    return { digits: cut(shift(decimal, -places), this.#told), places, forms: places ? forms : undefined };
  }

  /** The number with its sign, and what stands before and after it. */
  #around(decimal, number, text, compact) {
    const { prefix, suffix, symbols } = this.#data;
    const sign = signOf(decimal, this.#told.signDisplay);
    let [before, after] = [prefix[sign === "-" ? 1 : 0], suffix[sign === "-" ? 1 : 0]];
    if (sign === "+") before = prefix[1].includes("-") ? prefix[1].replace("-", "+") : `+${before}`;
    if (compact) {
      const around = compact.split(/0+/);
      const minus = prefix[1].replace(prefix[0], "");
      [before, after] = [(sign ? (sign === "+" ? "+" : minus) : "") + around[0], around.slice(1).join("")];
    }
    const parts = [...this.#fixed(before, false), ...number, ...this.#fixed(after, true, Boolean(compact))];
    const { around } = this.#data;
    if (!around) return parts;
    const form = around[pluralOf(this.#data.locale, text)] ?? around.other;
    const [start, end] = form.split("{0}");
    return [...named(start, this.#told), ...parts, ...named(end, this.#told)].map((part) => part);
    function named(words, { style }) {
      if (!words) return [];
      const kind = style === "unit" ? "unit" : "currency";
      const [, left, middle, right] = /^(\s*)(.*?)(\s*)$/.exec(words);
      return [["literal", left], [kind, middle], ["literal", right]].flatMap(([type, value]) => (value ? [{ type, value }] : []));
    }
  }

  /** The text before or after the number: signs, percent and currency become parts of their own. */
  #fixed(text, isAfter, isCompact = false) {
    const { symbols, symbol = "" } = this.#data;
    const parts = [];
    const types = { "-": ["minusSign", symbols.minusSign], "+": ["plusSign", symbols.plusSign], "%": ["percentSign", symbols.percentSign] };
    for (const [piece] of text.matchAll(/'([^']*)'|¤+|[-+%]|[^-+%¤']+/g)) {
      if (piece.startsWith("¤")) parts.push({ type: "currency", value: symbol });
      else if (types[piece]) parts.push({ type: types[piece][0], value: types[piece][1] });
      else {
        const value = piece.startsWith("'") ? piece.slice(1, -1) || "'" : piece;
        const last = parts.at(-1);
        const type = isCompact && value.trim() ? "compact" : "literal";
        if (last && (last.type === type || last.type === "compact")) last.value += value;
        else parts.push({ type, value });
      }
    }
    return spaced(parts, isAfter).flatMap(apart);
  }
}

/** The space of " Mio." is no part of the word. */
function apart(part) {
  if (part.type !== "compact") return [part];
  const [, left, middle, right] = /^(\s*)(.*?)(\s*)$/.exec(part.value);
  return [["literal", left], ["compact", middle], ["literal", right]].flatMap(([type, value]) => (value ? [{ type, value }] : []));
}

/** A currency of letters keeps away from the digits. */
function spaced(parts, isAfter) {
  const space = { type: "literal", value: "\u00a0" };
  const last = parts.at(-1);
  if (!isAfter && last?.type === "currency" && /[\p{L}.]$/u.test(last.value)) return [...parts, space];
  if (isAfter && parts[0]?.type === "currency" && /^\p{L}/u.test(parts[0].value)) return [space, ...parts];
  return parts;
}

const joined = (parts) => {
  let text = "";
  for (const part of parts) text += part.value;
  return text;
};
const plain = ({ whole, fraction }) => (whole || "0") + (fraction && `.${fraction}`);

function groups(whole, [primary, secondary], least) {
  if (!primary || whole.length < primary + least) return [whole];
  const made = [whole.slice(-primary)];
  for (let end = whole.length - primary; end > 0; end -= secondary) made.unshift(whole.slice(Math.max(0, end - secondary), end));
  return made;
}

function signOf({ negative, special, zero }, display) {
  const nothing = special === "nan" || zero;
  switch (display) {
    case "never":
      return "";
    case "always":
      return negative ? "-" : "+";
    case "exceptZero":
      return nothing ? "" : negative ? "-" : "+";
    case "negative":
      return negative && !nothing ? "-" : "";
    default:
      return negative ? "-" : "";
  }
}

/** The digits that are shown. */
function cut(decimal, told) {
  let made;
  if (told.maximumSignificantDigits) {
    made = rounded(decimal, told.maximumSignificantDigits - magnitude(decimal), told.roundingMode);
    const missing = told.minimumSignificantDigits - magnitude(made);
    if (missing > made.fraction.length) made = { ...made, fraction: made.fraction.padEnd(missing, "0") };
  } else if (told.compactRounding) {
    made = rounded(decimal, Math.max(0, 2 - magnitude(decimal)), told.roundingMode);
  } else {
    made = rounded(decimal, told.maximumFractionDigits, told.roundingMode);
    made = { ...made, fraction: made.fraction.padEnd(told.minimumFractionDigits, "0") };
  }
  if (told.trailingZeroDisplay === "stripIfInteger" && /^0*$/.test(made.fraction)) made = { ...made, fraction: "" };
  return made;
}

function understood(options) {
  const style = choice(options, "style", ["decimal", "percent", "currency", "unit"], "decimal");
  const text = (name) => (options[name] === undefined ? undefined : String(options[name]));
  const [currency, unit] = [text("currency"), text("unit")];
  if (currency !== undefined && !/^[A-Za-z]{3}$/.test(currency)) throw new RangeError(`Invalid currency code : ${currency.slice(0, 20)}`);
  if (style === "currency" && currency === undefined) throw new TypeError("Currency code is required with currency style.");
  if (style === "unit" && unit === undefined) throw new TypeError("Unit is required with unit style.");
  return {
    style,
    numberingSystem: text("numberingSystem"),
    currency: style === "currency" ? currency.toUpperCase() : undefined,
    currencyDisplay: choice(options, "currencyDisplay", ["symbol", "narrowSymbol", "code", "name"], "symbol"),
    currencySign: choice(options, "currencySign", ["standard", "accounting"], "standard"),
    unit: style === "unit" ? unit : undefined,
    unitDisplay: choice(options, "unitDisplay", ["short", "narrow", "long"], "short"),
    notation: choice(options, "notation", ["standard", "scientific", "engineering", "compact"], "standard"),
    compactDisplay: choice(options, "compactDisplay", ["short", "long"], "short"),
    useGrouping: groupingOf(options.useGrouping),
    signDisplay: choice(options, "signDisplay", ["auto", "never", "always", "exceptZero", "negative"], "auto"),
    roundingMode: choice(options, "roundingMode", MODES, "halfExpand"),
    trailingZeroDisplay: choice(options, "trailingZeroDisplay", ["auto", "stripIfInteger"], "auto"),
  };
}

function groupingOf(value) {
  if (value === undefined) return "auto";
  if (value === true || value === "always") return "always";
  if (!value) return false;
  return value === "min2" ? "min2" : "auto";
}

function digitsAsked(told, data, options) {
  const minimumIntegerDigits = wholeOption(options, "minimumIntegerDigits", 1, 21, 1);
  const significant = options.minimumSignificantDigits !== undefined || options.maximumSignificantDigits !== undefined;
  if (significant) {
    const minimumSignificantDigits = wholeOption(options, "minimumSignificantDigits", 1, 21, 1);
    const maximumSignificantDigits = wholeOption(options, "maximumSignificantDigits", minimumSignificantDigits, 21, 21);
    return { minimumIntegerDigits, minimumSignificantDigits, maximumSignificantDigits };
  }
  const usual = told.style === "currency" && told.notation === "standard" ? data.fraction : undefined;
  const least = wholeOption(options, "minimumFractionDigits", 0, 100, undefined);
  const most = wholeOption(options, "maximumFractionDigits", 0, 100, undefined);
  const asked = least !== undefined || most !== undefined;
  const [low, high] = [usual ?? 0, usual ?? (told.style === "percent" || told.notation === "compact" ? 0 : 3)];
  const minimumFractionDigits = least ?? Math.min(low, most ?? low);
  const maximumFractionDigits = most ?? Math.max(high, minimumFractionDigits);
  if (minimumFractionDigits > maximumFractionDigits) throw new RangeError("maximumFractionDigits value is out of range.");
  const compactRounding = told.notation === "compact" && !asked;
  return { minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, compactRounding };
}
