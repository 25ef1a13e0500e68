// `console` and `fazt.log`: text to the host, a line at a time.

import { host } from "./bridge.js";
import { inspect } from "./inspect.js";
import { table } from "./table.js";
import { Date, Error, JSON, Map, Math, Number } from "./primordials.js";

const MOST_TEXT = 8192;
const counts = new Map();
const clocks = new Map();
let indent = "";

function write(level, text) {
  const short = text.length > MOST_TEXT ? text.slice(0, MOST_TEXT) : text;
  host("log", level, indent === "" ? short : indent + short.replaceAll("\n", `\n${indent}`));
}

/** What belongs to one invocation only. */
export function fresh() {
  if (counts.size > 0) counts.clear();
  if (clocks.size > 0) clocks.clear();
  indent = "";
}

function formatted(given) {
  if (given.length === 0) return "";
  if (given.length === 1 && typeof given[0] === "string") return given[0];
  let used = 0;
  let text = "";
  if (typeof given[0] === "string") {
    used = 1;
    text = given[0].slice(0, MOST_TEXT).replace(/%[sdifjoOc%]/g, (mark) => {
      if (mark === "%%") return given.length > 1 ? "%" : mark;
      return used < given.length ? filled(mark, given[used++]) : mark;
    });
  } else {
    text = shown(given[used++]);
  }
  for (; used < given.length && text.length < MOST_TEXT; used++) text += ` ${shown(given[used])}`;
  return text;
}

const shown = (value) => (typeof value === "string" ? value : inspect(value));

function filled(mark, value) {
  switch (mark) {
    case "%s":
      return typeof value === "string" ? value : inspect(value, 0);
    case "%d":
    case "%f":
      return typeof value === "object" || typeof value === "symbol" ? "NaN" : `${Number(value)}`;
    case "%i":
      return typeof value === "object" || typeof value === "symbol" ? "NaN" : `${Math.trunc(Number(value))}`;
    case "%j":
      try {
        return `${JSON.stringify(value)}`;
      } catch {
        return "[Circular]";
      }
    case "%c":
      return "";
    default:
      return inspect(value, 4);
  }
}

const at =
  (level) =>
  (...given) =>
    write(level, formatted(given));

const label = (name) => (name === undefined ? "default" : shown(name).slice(0, 100));

function elapsed(name, given) {
  const since = clocks.get(label(name));
  if (since === undefined) return write("warn", `No timer called ${label(name)}.`);
  const rest = given.length > 0 ? ` ${formatted(given)}` : "";
  return write("info", `${label(name)}: ${Date.now() - since}ms${rest}`);
}

const group = (...given) => {
  if (given.length > 0) write("info", formatted(given));
  if (indent.length < 40) indent += "  ";
};

export const console = {
  log: at("info"),
  info: at("info"),
  debug: at("debug"),
  warn: at("warn"),
  error: at("error"),
  trace: (...given) => write("debug", `Trace: ${formatted(given)}\n${new Error().stack ?? ""}`.trimEnd()),
  dir: (value, options) => write("info", inspect(value, Number(options?.depth ?? 2))),
  dirxml: at("info"),
  assert(truth, ...given) {
    if (!truth) write("error", given.length > 0 ? `Assertion failed: ${formatted(given)}` : "Assertion failed");
  },
  count(name) {
    const key = label(name);
    const count = (counts.get(key) ?? 0) + 1;
    if (counts.size < 1000) counts.set(key, count);
    write("info", `${key}: ${count}`);
  },
  countReset: (name) => void counts.delete(label(name)),
  time(name) {
    if (clocks.size < 1000) clocks.set(label(name), Date.now());
  },
  timeLog: (name, ...given) => elapsed(name, given),
  timeEnd(name) {
    elapsed(name, []);
    clocks.delete(label(name));
  },
  group,
  groupCollapsed: group,
  groupEnd() {
    indent = indent.slice(2);
  },
  table: (value, columns) => write("info", table(value, columns)),
  clear() {},
};

const said = (level) => (message, data) =>
  write(level, data === undefined ? formatted([message]) : `${formatted([message])} ${inspect(data, 4)}`);

export const log = { debug: said("debug"), info: said("info"), warn: said("warn"), error: said("error") };

export const complain = (error) => write("error", `Uncaught ${inspect(error)}`);
