import { Boolean, RangeError, String, TypeError, Uint8Array } from "./primordials.js";
import { bytesOf, finish, latin1, need } from "./bytes.js";
import { decodeUtf8, encodeInto, encodeUtf8, Utf8Decoder } from "./utf8.js";

const LABELS = {
  "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
  "utf-16le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
  "utf-16be": "unicodefffe utf-16be",
  "windows-1252":
    "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 " +
    "iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
};
const NAMES = { __proto__: null };
for (const name in LABELS) for (const label of LABELS[name].split(" ")) NAMES[label] = name;

const HIGH_1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

const windows1252 = {
  reset() {},
  push: (bytes) => latin1(bytes).replace(/[\x80-\x9f]/g, (char) => HIGH_1252[char.charCodeAt(0) - 0x80]),
};

class Utf16Decoder {
  constructor(fatal, big) {
    this.fatal = fatal;
    this.big = big;
    this.reset();
  }

  reset() {
    this.byte = -1;
    this.lead = "";
  }

  push(bytes, last) {
    const units = [this.lead];
    let byte = this.byte;
    for (let at = 0; at < bytes.length; at++) {
      if (byte < 0) byte = bytes[at];
      else {
        units.push(String.fromCharCode(this.big ? (byte << 8) | bytes[at] : (bytes[at] << 8) | byte));
        byte = -1;
      }
    }
    let text = units.join("");
    const tail = text.charCodeAt(text.length - 1);
    const open = !last && tail >= 0xd800 && tail < 0xdc00;
    this.lead = open ? text[text.length - 1] : "";
    if (open) text = text.slice(0, -1);
    this.byte = last ? -1 : byte;
    const odd = last && byte >= 0;
    if (this.fatal && (odd || !text.isWellFormed())) {
      this.reset();
      throw new TypeError(`The encoded data was not valid for encoding utf-16${this.big ? "be" : "le"}`);
    }
    // An unpaired lead before a lone last byte is one error, not two.
    return text.toWellFormed() + (odd && !(tail >= 0xd800 && tail < 0xdc00) ? "\ufffd" : "");
  }
}

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(input = "") {
    return encodeUtf8(`${input}`);
  }

  encodeInto(source, destination) {
    need(arguments.length, 2, "TextEncoder.encodeInto");
    if (!(destination instanceof Uint8Array)) throw new TypeError("encodeInto needs a Uint8Array");
    return encodeInto(`${source}`, destination);
  }
}

export class TextDecoder {
  #name;
  #fatal;
  #ignoreBOM;
  #decoder = null;
  #started = false;

  constructor(label = "utf-8", options = undefined) {
    const name = NAMES[`${label}`.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "").toLowerCase()];
    if (!name) throw new RangeError(`The "${label}" encoding is not supported`);
    if (options !== undefined && options !== null && typeof options !== "object")
      throw new TypeError("TextDecoder: options is not an object");
    this.#name = name;
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }

  get encoding() {
    return this.#name;
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBOM;
  }

  #make() {
    if (this.#name === "utf-8") return new Utf8Decoder(this.#fatal);
    if (this.#name === "windows-1252") return windows1252;
    return new Utf16Decoder(this.#fatal, this.#name === "utf-16be");
  }

  decode(input = undefined, options = undefined) {
    const bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
    if (!bytes) throw new TypeError("TextDecoder.decode needs an ArrayBuffer or a view of one");
    const stream = Boolean(options?.stream);
    if (!this.#decoder && !stream && !this.#fatal && this.#name === "utf-8") return decodeUtf8(bytes, this.#ignoreBOM);
    const decoder = (this.#decoder ??= this.#make());
    let text;
    try {
      text = decoder.push(bytes, !stream);
    } catch (error) {
      this.#decoder = null;
      this.#started = false;
      throw error;
    }
    if (!this.#started && text !== "") {
      this.#started = true;
      if (!this.#ignoreBOM && this.#name !== "windows-1252" && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (!stream) {
      this.#decoder = null;
      this.#started = false;
    }
    return text;
  }
}

finish(TextEncoder, "TextEncoder");
finish(TextDecoder, "TextDecoder");
