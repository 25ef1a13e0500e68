// Intl.Collator: letters first, then their accents, then capitals. Alphabets that put letters elsewhere are in LATE.
import { ask, choice, optionsOf, supported, tagsOf } from "./ask.js";

const { Map, String, Symbol } = globalThis;
const MARKS = /\p{M}+/gu;
// letters that stand at the end of the alphabet, in this order; those in one place are the same letter
const NORDIC = ["å", "äæ", "öø"];
const DANISH = ["æä", "øö", "å"];
const LATE = { sv: NORDIC, fi: NORDIC, da: DANISH, nb: DANISH, no: DANISH, et: ["õ", "ä", "ö", "ü"] };
const LETTERS = { æ: "ae", œ: "oe", ø: "o", ß: "ss", đ: "d", ł: "l", þ: "th", ı: "i" };

export class Collator {
  #data;
  #told;
  #compare;

  constructor(locales, options) {
    const told = optionsOf(options);
    const tags = tagsOf(locales);
    this.#data = ask("intl.locale", { locales: tags });
    this.#told = {
      usage: choice(told, "usage", ["sort", "search"], "sort"),
      sensitivity: choice(told, "sensitivity", ["base", "accent", "case", "variant"], "variant"),
      ignorePunctuation: Boolean(told.ignorePunctuation),
      numeric: told.numeric === undefined ? /-u-(?:.*-)?kn(?:-true)?(?:-|$)/.test(tags[0] ?? "") : Boolean(told.numeric),
      caseFirst: choice(told, "caseFirst", ["upper", "lower", "false"], this.#data.locale.startsWith("da") ? "upper" : "false"),
    };
  }

  get compare() {
    if (!this.#compare) {
      const late = LATE[this.#data.locale.split("-")[0]];
      const told = this.#told;
      this.#compare = (one, other) => compared(String(one), String(other), told, late);
    }
    return this.#compare;
  }

  resolvedOptions() {
    return { locale: this.#data.locale, ...this.#told, collation: "default" };
  }

  get [Symbol.toStringTag]() {
    return "Intl.Collator";
  }

  static supportedLocalesOf(locales) {
    return supported(locales);
  }
}

const PLAIN = /^[a-z]*$/;

function compared(one, other, told, late) {
  if (one === other) return 0;
  // most of what is sorted are small letters, whose order is that of their codes
  if (PLAIN.test(one) && PLAIN.test(other)) return one < other ? -1 : 1;
  if (told.ignorePunctuation) [one, other] = [one, other].map((text) => text.replace(/[\p{P}\s]/gu, ""));
  const [base, otherBase] = [baseOf(one, late), baseOf(other, late)];
  const letters = told.numeric ? numerically(base, otherBase) : inOrder(base, otherBase);
  if (letters || told.sensitivity === "base") return letters;
  if (told.sensitivity !== "case") {
    const accents = plainly(one.normalize("NFD").toLowerCase(), other.normalize("NFD").toLowerCase());
    if (accents || told.sensitivity === "accent") return accents;
  }
  const small = told.caseFirst === "upper" ? 1 : -1;
  return capitals(one, other) * small;
}

/** The letters without accents and capitals. */
function baseOf(text, late) {
  let lower = text.toLowerCase();
  if (late) lower = lower.normalize("NFC").replace(/[åäöæøõü]/g, (letter) => placed(letter, late));
  return lower.normalize("NFKD").replace(MARKS, "").replace(/[æœøßđłþı]/g, (letter) => LETTERS[letter]);
}

function placed(letter, late) {
  const place = late.findIndex((same) => same.includes(letter));
  return place < 0 ? letter : `z\u{10ffff}${place}`;
}

const plainly = (one, other) => (one === other ? 0 : one < other ? -1 : 1);

/** Spaces, then signs, then digits, then letters. */
function inOrder(one, other) {
  const [left, right] = [[...one], [...other]];
  for (let n = 0; n < left.length && n < right.length; n += 1) {
    if (left[n] !== right[n]) return rank(left[n]) - rank(right[n]) < 0 ? -1 : rank(left[n]) > rank(right[n]) ? 1 : plainly(left[n], right[n]);
  }
  return plainly(left.length, right.length);
}

const SIGNS = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
const ranks = new Map([...SIGNS].map((sign, n) => [sign, 10 + n]));

function rank(character) {
  const known = ranks.get(character);
  if (known !== undefined) return known;
  if (/\s/.test(character)) return 1;
  if (/\p{N}/u.test(character)) return 100;
  return /\p{L}/u.test(character) || character === "\u{10ffff}" ? 200 : 60;
}

function numerically(one, other) {
  const [left, right] = [one, other].map((text) => text.match(/\d+|\D+/g) ?? []);
  for (let n = 0; n < left.length && n < right.length; n += 1) {
    const found = /^\d/.test(left[n]) && /^\d/.test(right[n]) ? counted(left[n], right[n]) : inOrder(left[n], right[n]);
    if (found) return found;
  }
  return plainly(left.length, right.length);
}

function counted(one, other) {
  const [left, right] = [one.replace(/^0+/, ""), other.replace(/^0+/, "")];
  return plainly(left.length, right.length) || plainly(left, right);
}

/** Where letters are the same but for capitals: who has the first small one. */
function capitals(one, other) {
  const [left, right] = [one, other].map((text) => text.normalize("NFD").replace(MARKS, "").replaceAll("ß", "ss"));
  for (let n = 0; n < left.length && n < right.length; n += 1) {
    if (left[n] !== right[n]) return left[n] === left[n].toLowerCase() ? 1 : -1;
  }
  return 0;
}
