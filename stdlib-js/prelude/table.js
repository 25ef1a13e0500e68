// `console.table`: rows under columns, in plain text.

import { inspect } from "./inspect.js";
import { Array, Map, Math, Object, Set, String } from "./primordials.js";

const MOST_ROWS = 100;
const MOST_COLUMNS = 20;

export function table(value, wanted) {
  if (value === null || typeof value !== "object") return inspect(value);
  const entries = (value instanceof Map ? [...value] : Object.entries(value)).slice(0, MOST_ROWS);
  const columns = Array.isArray(wanted) ? wanted.slice(0, MOST_COLUMNS).map(String) : columnsOf(entries);
  const values = entries.some(([, row]) => !isRow(row));
  const head = ["(index)", ...columns, ...(values ? ["Values"] : [])];
  const rows = entries.map(([key, row]) => [
    cell(key),
    ...columns.map((column) => (isRow(row) && Object.hasOwn(row, column) ? cell(row[column]) : "")),
    ...(values ? [isRow(row) ? "" : cell(row)] : []),
  ]);
  const widths = head.map((name, index) => Math.max(name.length, ...rows.map((row) => row[index].length)));
  const line = (cells) => cells.map((text, index) => text.padEnd(widths[index])).join(" | ").trimEnd();
  return [line(head), widths.map((width) => "-".repeat(width)).join("-|-"), ...rows.map(line)].join("\n");
}

const isRow = (row) => row !== null && typeof row === "object";

const cell = (value) => (typeof value === "string" ? value : inspect(value, 0)).replaceAll("\n", " ").slice(0, 80);

function columnsOf(entries) {
  const columns = new Set();
  for (const [, row] of entries) {
    if (!isRow(row)) continue;
    for (const key of Object.keys(row)) if (columns.size < MOST_COLUMNS) columns.add(key);
  }
  return [...columns];
}
