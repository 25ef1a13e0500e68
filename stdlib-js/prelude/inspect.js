// Values as text for the logs: bounded in depth, breadth and length, and deaf to what a hostile value tries.

import { authored } from "./errors.js";
import {
  Array, ArrayBuffer, Date, Error, JSON, Map, Number, Object, Promise, RegExp, Set, WeakMap, WeakSet,
} from "./primordials.js";

const MOST_TEXT = 8192;
const MOST_ITEMS = 100;
const LONG_LINE = 72;
const WORD = /^[A-Za-z_$][\w$]*$/;

class Inspection {
  constructor(depth) {
    this.depth = depth;
    this.left = MOST_TEXT;
    this.open = [];
  }

  any(value, depth) {
    if (this.left <= 0) return "…";
    const text = this.kind(value, depth);
    // what is inside of a group has been counted already
    if (value === null || typeof value !== "object") this.left -= text.length;
    return text;
  }

  kind(value, depth) {
    switch (typeof value) {
      case "string":
        return quoted(value);
      case "number":
        return Object.is(value, -0) ? "-0" : `${value}`;
      case "bigint":
        return `${value}n`;
      case "symbol":
        return value.toString();
      case "function":
        return functionName(value);
      case "object":
        return value === null ? "null" : this.object(value, depth);
      default:
        return `${value}`;
    }
  }

  object(value, depth) {
    if (this.open.includes(value)) return "[Circular]";
    if (value instanceof Error) return this.error(value, depth);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
    if (value instanceof RegExp) return `/${value.source.slice(0, 1000)}/${value.flags}`;
    if (value instanceof Promise) return "Promise {}";
    if (value instanceof WeakMap || value instanceof WeakSet) return "Weak {}";
    if (depth < 0) return Array.isArray(value) ? "[Array]" : `[${className(value) || "Object"}]`;
    this.open.push(value);
    try {
      return this.group(value, depth);
    } finally {
      this.open.pop();
    }
  }

  group(value, depth) {
    if (Array.isArray(value)) return this.list("", "[", "]", value, value.length, depth);
    if (value instanceof Map) return this.map(value, depth);
    if (value instanceof Set) return this.list(`Set(${value.size}) `, "{", "}", value, value.size, depth);
    if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
    if (ArrayBuffer.isView(value) && value.length !== undefined) {
      return this.list(`${className(value)}(${value.length}) `, "[", "]", value, value.length, depth);
    }
    return this.plain(value, depth);
  }

  list(name, opening, closing, values, size, depth) {
    const parts = [];
    for (const value of values) {
      if (parts.length >= MOST_ITEMS || this.left <= 0) break;
      parts.push(this.any(value, depth - 1));
    }
    return laid(name, opening, closing, parts, size - parts.length);
  }

  map(value, depth) {
    const parts = [];
    for (const [key, item] of value) {
      if (parts.length >= MOST_ITEMS || this.left <= 0) break;
      parts.push(`${this.any(key, depth - 1)} => ${this.any(item, depth - 1)}`);
    }
    return laid(`Map(${value.size}) `, "{", "}", parts, value.size - parts.length);
  }

  plain(value, depth) {
    const name = className(value);
    const keys = Object.keys(value);
    const parts = [];
    for (const key of keys) {
      if (parts.length >= MOST_ITEMS || this.left <= 0) break;
      this.left -= key.length;
      parts.push(`${WORD.test(key) ? key : quoted(key)}: ${this.property(value, key, depth)}`);
    }
    const shown = name === "Object" ? "" : `${name || "[Object: null prototype]"} `;
    return laid(shown, "{", "}", parts, keys.length - parts.length);
  }

  property(value, key, depth) {
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property === undefined) return "undefined";
    if (property.get || property.set) return property.get ? "[Getter]" : "[Setter]";
    return this.any(property.value, depth - 1);
  }

  error(value, depth) {
    const name = word(value, "name") ?? "Error";
    const message = word(value, "message") ?? "";
    const head = message === "" ? name : `${name}: ${message}`;
    const stack = authored(word(value, "stack") ?? "");
    let text = stack ? `${head}\n${stack.startsWith(head) ? stack.slice(head.length + 1) : stack}`.trimEnd() : head;
    this.left -= text.length;
    this.open.push(value);
    const extra = Object.keys(value).filter((key) => key !== "stack" && key !== "message" && key !== "name");
    if (extra.length > 0 && depth >= 0) {
      const parts = extra.slice(0, MOST_ITEMS).map((key) => `${key}: ${this.property(value, key, depth)}`);
      text += ` ${laid("", "{", "}", parts, extra.length - parts.length)}`;
    }
    const cause = Object.getOwnPropertyDescriptor(value, "cause")?.value;
    if (cause !== undefined && depth >= 0) text += `\n  [cause]: ${this.any(cause, depth - 1)}`;
    this.open.pop();
    return text;
  }
}

function word(value, key) {
  const found = value[key];
  return typeof found === "string" ? found.slice(0, MOST_TEXT) : undefined;
}

function className(value) {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null) return "";
  const maker = Object.getOwnPropertyDescriptor(prototype, "constructor");
  const name = typeof maker?.value === "function" ? maker.value.name : maker?.get && prototype.constructor?.name;
  return typeof name === "string" ? name.slice(0, 100) : "Object";
}

function functionName(fn) {
  const name = typeof fn.name === "string" ? fn.name.slice(0, 100) : "";
  return name ? `[Function: ${name}]` : "[Function]";
}

function quoted(text) {
  const short = text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
  return short.includes("'") ? JSON.stringify(short) : `'${JSON.stringify(short).slice(1, -1).replaceAll('\\"', '"')}'`;
}

function laid(name, opening, closing, parts, more) {
  if (more > 0) parts.push(`… ${more} more`);
  if (parts.length === 0) return `${name}${opening}${closing}`;
  const long = parts.reduce((sum, part) => sum + part.length + 2, name.length) > LONG_LINE;
  if (!long && !parts.some((part) => part.includes("\n"))) {
    return opening === "[" ? `${name}[ ${parts.join(", ")} ]` : `${name}{ ${parts.join(", ")} }`;
  }
  return `${name}${opening}\n${parts.map((part) => `  ${part.replaceAll("\n", "\n  ")}`).join(",\n")}\n${closing}`;
}

export function inspect(value, depth = 2) {
  try {
    return new Inspection(depth).any(value, depth);
  } catch {
    return "[cannot be shown]";
  }
}
