// A value as text that says the same in every engine: what JSON leaves out is written, what an engine words is not.
const kind = (value) => Object.prototype.toString.call(value).slice(8, -1);

function written(value, above) {
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "string":
      return JSON.stringify(value);
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "function";
    case "symbol":
      return String(value);
  }
  if (value === null || typeof value === "boolean") return String(value);
  if (above.includes(value)) return "(again)";
  const inside = (part) => written(part, [...above, value]);
  const fields = () =>
    Object.keys(value)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${inside(value[name])}`)
      .join(",");
  switch (kind(value)) {
    case "Array":
      return `[${Array.from({ length: value.length }, (_, n) => (n in value ? inside(value[n]) : "(hole)")).join(",")}]`;
    case "Date":
      return `Date(${value.getTime()})`;
    case "RegExp":
      return `RegExp(${value})`;
    case "Map":
    case "Set":
      return `${kind(value)}${inside([...value])}`;
    case "Error":
      return `${value.name}{${fields()}}`;
    case "Boolean":
    case "Number":
    case "String":
      return `${kind(value)}(${inside(value.valueOf())})`;
  }
  if (ArrayBuffer.isView(value)) return `${kind(value)}[${[...value]}]`;
  return `{${fields()}}`;
}

exports.canonical = (value) => written(value, []);
