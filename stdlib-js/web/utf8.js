import {
  String,
  TypeError,
  Uint8Array,
  decodeURIComponent,
  encodeURIComponent,
  escape,
  unescape,
} from "./primordials.js";
import { concat, fromLatin1, latin1 } from "./bytes.js";

const fromCodePoint = String.fromCodePoint;
const fromCharCode = String.fromCharCode;
const SHORT = 16;
const STEP = 32768;
const WIDE = /[^\x00-\x7f]/;

/** UTF-8 of a string; lone surrogates become U+FFFD. */
export function encodeUtf8(text) {
  const count = text.length;
  if (count <= SHORT) return encodeShort(text);
  const chunks = [];
  for (let at = 0, end; at < count; at = end) {
    end = at + STEP < count ? at + STEP : count;
    if (end < count && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
    chunks.push(encodeNatively(text.slice(at, end)));
  }
  return concat(chunks);
}

function encodeNatively(text) {
  return fromLatin1(WIDE.test(text) ? unescape(encodeURIComponent(text.toWellFormed())) : text);
}

function encodeShort(text) {
  const bytes = new Uint8Array(text.length * 3);
  return bytes.slice(0, encodeInto(text, bytes).written);
}

export function encodeInto(text, bytes) {
  const count = text.length;
  const room = bytes.length;
  let to = 0;
  let at = 0;
  while (at < count) {
    let code = text.charCodeAt(at);
    let units = 1;
    if (code >= 0xd800 && code <= 0xdfff) {
      const next = code < 0xdc00 && at + 1 < count ? text.charCodeAt(at + 1) : 0;
      if (next >= 0xdc00 && next <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
        units = 2;
      } else code = 0xfffd;
    }
    if (code < 0x80) {
      if (to >= room) break;
      bytes[to++] = code;
    } else if (code < 0x800) {
      if (to + 2 > room) break;
      bytes[to++] = 0xc0 | (code >> 6);
      bytes[to++] = 0x80 | (code & 63);
    } else if (code < 0x10000) {
      if (to + 3 > room) break;
      bytes[to++] = 0xe0 | (code >> 12);
      bytes[to++] = 0x80 | ((code >> 6) & 63);
      bytes[to++] = 0x80 | (code & 63);
    } else {
      if (to + 4 > room) break;
      bytes[to++] = 0xf0 | (code >> 18);
      bytes[to++] = 0x80 | ((code >> 12) & 63);
      bytes[to++] = 0x80 | ((code >> 6) & 63);
      bytes[to++] = 0x80 | (code & 63);
    }
    at += units;
  }
  return { read: at, written: to };
}

// A decoder that can stop in the middle of a character: need/seen/point and the range the next byte must be in.
export class Utf8Decoder {
  constructor(fatal) {
    this.fatal = fatal;
    this.reset();
  }

  reset() {
    this.point = 0;
    this.need = 0;
    this.low = 0x80;
    this.high = 0xbf;
  }

  bad() {
    if (this.fatal) {
      this.reset();
      throw new TypeError("The encoded data was not valid for encoding utf-8");
    }
    return "\ufffd";
  }

  push(bytes, last) {
    const pieces = [];
    const count = bytes.length;
    let at = 0;
    while (at < count) {
      if (this.need === 0) {
        // Runs of ASCII go through natively; most text is nothing else.
        let end = at;
        while (end < count && bytes[end] < 0x80) end++;
        if (end > at) {
          pieces.push(latin1(bytes, at, end));
          at = end;
          continue;
        }
        at = this.run(bytes, at, pieces);
        continue;
      }
      at = this.follow(bytes[at], at, pieces);
    }
    if (last && this.need !== 0) {
      pieces.push(this.bad());
      this.reset();
    }
    return pieces.join("");
  }

  /** Characters beyond ASCII, until the next ASCII one or one that goes over the end. */
  run(bytes, start, pieces) {
    const count = bytes.length;
    let text = "";
    let at = start;
    while (at < count && this.need === 0) {
      const byte = bytes[at];
      if (byte < 0x80) break;
      if (byte >= 0xc2 && byte <= 0xdf && at + 1 < count && (bytes[at + 1] & 0xc0) === 0x80) {
        text += fromCharCode(((byte & 31) << 6) | (bytes[at + 1] & 63));
        at += 2;
        continue;
      }
      at += 1;
      if (byte >= 0xc2 && byte <= 0xdf) this.begin(1, byte & 31, 0x80, 0xbf);
      else if (byte >= 0xe0 && byte <= 0xef)
        this.begin(2, byte & 15, byte === 0xe0 ? 0xa0 : 0x80, byte === 0xed ? 0x9f : 0xbf);
      else if (byte >= 0xf0 && byte <= 0xf4)
        this.begin(3, byte & 7, byte === 0xf0 ? 0x90 : 0x80, byte === 0xf4 ? 0x8f : 0xbf);
      else text += this.bad();
    }
    if (text) pieces.push(text);
    return at;
  }

  begin(need, point, low, high) {
    this.need = need;
    this.point = point;
    this.low = low;
    this.high = high;
  }

  follow(byte, at, pieces) {
    if (byte < this.low || byte > this.high) {
      this.reset();
      pieces.push(this.bad());
      return at;
    }
    this.low = 0x80;
    this.high = 0xbf;
    this.point = (this.point << 6) | (byte & 63);
    this.need -= 1;
    if (this.need === 0) {
      pieces.push(fromCodePoint(this.point));
      this.point = 0;
    }
    return at + 1;
  }
}

// A character has at most three bytes after its first: a fourth in a row belongs to none.
function boundary(bytes, end) {
  for (let at = end; at > end - 4; at--) if ((bytes[at] & 0xc0) !== 0x80) return at;
  return end;
}

function decodeChunk(bytes, start, end) {
  const text = latin1(bytes, start, end);
  if (!WIDE.test(text)) return text;
  try {
    return decodeURIComponent(escape(text));
  } catch {
    return new Utf8Decoder(false).push(bytes.subarray(start, end), true);
  }
}

/** UTF-8 to a string, errors replaced; `bom` keeps a leading byte order mark. */
export function decodeUtf8(bytes, bom = false) {
  const count = bytes.length;
  let text = "";
  for (let at = 0, end; at < count; at = end) {
    end = at + STEP < count ? boundary(bytes, at + STEP) : count;
    text += decodeChunk(bytes, at, end);
  }
  return !bom && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}
