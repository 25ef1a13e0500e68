import { Math, Number, parseInt } from "./primordials.js";
import { encodeControl, percentDecode } from "./percent.js";
import { domainToAscii } from "./idna.js";

const FORBIDDEN_HOST = /[\0\t\n\r #/:<>?@[\\\]^|]/;
const FORBIDDEN_DOMAIN = /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/;
const SIMPLE = /^[a-z0-9_.-]+$/;

/** The serialised host, or null when there is none to be had from this text. */
export function parseHost(text, opaque) {
  if (text[0] === "[") return text.endsWith("]") ? parseIpv6(text.slice(1, -1)) : null;
  if (opaque) return FORBIDDEN_HOST.test(text) ? null : encodeControl(text);
  const domain = SIMPLE.test(text) ? text : percentDecode(text);
  const ascii = toAscii(domain);
  if (!ascii || FORBIDDEN_DOMAIN.test(ascii)) return null;
  return endsInNumber(ascii) ? parseIpv4(ascii) : ascii;
}

function toAscii(domain) {
  const lower = domain.toLowerCase();
  if (/[^\x00-\x7f]/.test(domain) || /(^|\.)xn--/.test(lower)) return domainToAscii(domain);
  return lower;
}

function endsInNumber(host) {
  const parts = host.split(".");
  if (parts[parts.length - 1] === "" && parts.length > 1) parts.pop();
  const last = parts[parts.length - 1];
  return /^(\d+|0[xX][\da-fA-F]*)$/.test(last);
}

function ipv4Number(text) {
  if (text === "") return null;
  if (/^0[xX]/.test(text)) {
    const digits = text.slice(2);
    if (digits === "") return 0;
    return /^[\da-fA-F]+$/.test(digits) ? parseInt(digits, 16) : null;
  }
  if (text.length > 1 && text[0] === "0") return /^[0-7]+$/.test(text) ? parseInt(text, 8) : null;
  return /^\d+$/.test(text) ? Number(text) : null;
}

function parseIpv4(host) {
  const parts = host.split(".");
  if (parts[parts.length - 1] === "" && parts.length > 1) parts.pop();
  if (parts.length > 4) return null;
  const numbers = parts.map(ipv4Number);
  if (numbers.includes(null)) return null;
  const last = numbers.pop();
  if (numbers.some((number) => number > 255) || last >= 256 ** (4 - numbers.length)) return null;
  let address = last;
  numbers.forEach((number, at) => {
    address += number * 256 ** (3 - at);
  });
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

function ipv4Tail(text) {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  if (!parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  const [first, second, third, fourth] = parts.map(Number);
  return [first * 256 + second, third * 256 + fourth];
}

function pieces(text, mayEndInIpv4) {
  if (text === "") return [];
  const parts = text.split(":");
  const numbers = [];
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at];
    if (/^[\da-fA-F]{1,4}$/.test(part)) numbers.push(parseInt(part, 16));
    else if (mayEndInIpv4 && at === parts.length - 1) {
      const tail = ipv4Tail(part);
      if (!tail) return null;
      numbers.push(...tail);
    } else return null;
  }
  return numbers;
}

function parseIpv6(text) {
  const gap = text.indexOf("::");
  if (gap < 0) {
    const all = pieces(text, true);
    return all && all.length === 8 ? serializeIpv6(all) : null;
  }
  const head = pieces(text.slice(0, gap), false);
  const tail = pieces(text.slice(gap + 2), true);
  if (!head || !tail || head.length + tail.length > 7) return null;
  while (head.length + tail.length < 8) head.push(0);
  return serializeIpv6([...head, ...tail]);
}

function serializeIpv6(numbers) {
  let start = -1;
  let longest = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && numbers[end] === 0) end++;
    if (end - at > longest) {
      start = at;
      longest = end - at;
    }
    if (end > at) at = end;
  }
  const hex = numbers.map((number) => number.toString(16));
  if (start < 0) return `[${hex.join(":")}]`;
  return `[${hex.slice(0, start).join(":")}::${hex.slice(start + longest).join(":")}]`;
}
