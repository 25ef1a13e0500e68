// Intl.PluralRules, and what form of a word stands with a number.
import { ask, choice, optionsOf, supported, tagsOf } from "./ask.js";
import { decimalOf, rounded } from "./decimal.js";

const { Symbol } = globalThis;

/** The form for a number as it is written: "1.0" is not always "1". */
export const pluralOf = (locale, text, type = "cardinal") =>
  /^\d{1,300}(\.\d{1,90})?$/.test(text) ? ask("intl.plural", { locales: [locale], type, numbers: [text] }).forms[0] : "other";

export class PluralRules {
  #type;
  #data;
  #least;
  #most;

  constructor(locales, options) {
    const told = optionsOf(options);
    this.#type = choice(told, "type", ["cardinal", "ordinal"], "cardinal");
    this.#least = Number(told.minimumFractionDigits ?? 0);
    this.#most = Number(told.maximumFractionDigits ?? Math.max(3, this.#least));
    this.#data = ask("intl.plural", { locales: tagsOf(locales), type: this.#type });
  }

  select(value) {
    const decimal = decimalOf(Number(value));
    if (decimal.special) return "other";
    const { whole, fraction } = rounded(decimal, this.#most);
    const shown = fraction.padEnd(this.#least, "0");
    return pluralOf(this.#data.locale, (whole || "0") + (shown && `.${shown}`), this.#type);
  }

  resolvedOptions() {
    return {
      locale: this.#data.locale, type: this.#type, minimumIntegerDigits: 1, minimumFractionDigits: this.#least,
      maximumFractionDigits: this.#most, pluralCategories: [...this.#data.categories],
    };
  }

  get [Symbol.toStringTag]() {
    return "Intl.PluralRules";
  }

  static supportedLocalesOf(locales) {
    return supported(locales);
  }
}
