// As much of a test runner as zod's own tests ask for. `run()` gives what became of each.
const tests = [];
const groups = [];
let counted = 0;
let wanted = null;

export function test(name, body) {
  tests.push({ name: [...groups, name].join(" > "), body });
}
test.skip = (name) => tests.push({ name, body: null });
test.todo = test.skip;
export const it = test;

export function describe(name, body) {
  groups.push(name);
  body();
  groups.pop();
}

export function expect(actual) {
  return matchers(actual, false);
}
expect.assertions = (count) => {
  wanted = count;
};

// what is only about types has been checked by a compiler
const ignored = new Proxy(function () {}, { get: () => ignored, apply: () => ignored });
export const expectTypeOf = () => ignored;

function matchers(actual, negated) {
  const judge = (holds, told) => {
    counted += 1;
    if (holds === negated) throw new Error(`expected ${show(actual)} ${negated ? "not " : ""}${told}`);
  };
  const rules = {
    toBe: (other) => judge(Object.is(actual, other), `to be ${show(other)}`),
    toEqual: (other) => judge(equal(actual, other, false), `to equal ${show(other)}`),
    toStrictEqual: (other) => judge(equal(actual, other, true), `to equal exactly ${show(other)}`),
    toBeInstanceOf: (kind) => judge(actual instanceof kind, `to be a ${kind.name}`),
    toBeDefined: () => judge(actual !== undefined, "to be defined"),
    toBeUndefined: () => judge(actual === undefined, "to be undefined"),
    toBeNull: () => judge(actual === null, "to be null"),
    toBeTruthy: () => judge(Boolean(actual), "to be truthy"),
    toBeFalsy: () => judge(!actual, "to be falsy"),
    toHaveLength: (length) => judge(actual.length === length, `to have the length ${length}`),
    toContain: (part) => judge(actual.includes(part), `to contain ${show(part)}`),
    toMatch: (pattern) =>
      judge(typeof pattern === "string" ? actual.includes(pattern) : pattern.test(actual), `to match ${pattern}`),
    toMatchObject: (part) => judge(holds(actual, part), `to hold ${show(part)}`),
    toMatchInlineSnapshot: (snapshot) => judge(text(actual) === dedent(snapshot), `to look like ${dedent(snapshot)}`),
    toThrow: (why) => judge(thrown(actual, why), `to throw ${show(why)}`),
  };
  return {
    ...rules,
    get not() {
      return matchers(actual, !negated);
    },
    resolves: later(rules, async () => await actual, negated),
    rejects: later(
      rules,
      async () => {
        try {
          await actual;
        } catch (error) {
          return error;
        }
        throw new Error("expected the promise to be rejected");
      },
      negated,
    ),
  };
}

function later(rules, settled, negated) {
  const names = Object.keys(rules);
  return Object.fromEntries(
    names.map((name) => [
      name,
      async (...given) => {
        const value = await settled();
        const subject = name === "toThrow" ? () => raise(value) : value;
        return matchers(subject, negated)[name](...given);
      },
    ]),
  );
}

function raise(value) {
  throw value;
}

function thrown(call, why) {
  try {
    call();
  } catch (error) {
    if (why === undefined) return true;
    if (typeof why === "function") return error instanceof why;
    const message = String(error?.message ?? error);
    if (why instanceof RegExp) return why.test(message);
    return typeof why === "string" ? message.includes(why) : message === why.message;
  }
  return false;
}

function equal(a, b, strict) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (kind(a) !== kind(b)) return false;
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof RegExp) return String(a) === String(b);
  if (a instanceof Error) return a.name === b.name && a.message === b.message && (!a.issues || equal(a.issues, b.issues, strict));
  if (a instanceof Map || a instanceof Set) return equal([...a], [...b], strict);
  if (ArrayBuffer.isView(a)) return equal([...a], [...b], strict);
  if (Array.isArray(a) && a.length !== b.length) return false;
  const names = new Set([...fields(a, strict), ...fields(b, strict)]);
  return [...names].every((name) => equal(a[name], b[name], strict));
}

function fields(value, strict) {
  const own = Reflect.ownKeys(value).filter((name) => Object.prototype.propertyIsEnumerable.call(value, name));
  return strict ? own : own.filter((name) => value[name] !== undefined);
}

function holds(actual, part) {
  if (typeof part !== "object" || part === null) return equal(actual, part, false);
  return Object.keys(part).every((name) => holds(actual?.[name], part[name]));
}

function kind(value) {
  return Object.prototype.toString.call(value);
}

// the way snapshots are written: names in order, everything quoted, a comma behind each
function text(value, indent = "") {
  const inner = `${indent}  `;
  if (typeof value === "string") return `"${value}"`;
  if (typeof value !== "object" || value === null) return String(value);
  const head = value instanceof Error ? `[${value.name}: ${value.message}]` : null;
  if (head) return head;
  const list = Array.isArray(value);
  const parts = list
    ? value.map((item) => `${inner}${text(item, inner)},`)
    : Object.keys(value)
        .sort()
        .map((name) => `${inner}"${name}": ${text(value[name], inner)},`);
  const [open, close] = list ? "[]" : "{}";
  return parts.length ? `${open}\n${parts.join("\n")}\n${indent}${close}` : `${open}${close}`;
}

function dedent(snapshot) {
  const lines = snapshot.replace(/^\n/, "").replace(/\n\s*$/, "").split("\n");
  const indents = lines.filter((line) => line.trim()).map((line) => line.match(/^ */)[0].length);
  const least = Math.min(...indents);
  return lines.map((line) => line.slice(least)).join("\n");
}

function show(value) {
  if (typeof value === "function") return value.name || "a function";
  try {
    return String(JSON.stringify(value) ?? value).slice(0, 300);
  } catch {
    return String(value).slice(0, 300);
  }
}

export async function run() {
  const told = { passed: 0, skipped: [], failed: [] };
  for (const { name, body } of tests) {
    if (!body) {
      told.skipped.push(name);
      continue;
    }
    counted = 0;
    wanted = null;
    try {
      await body();
      if (wanted !== null && counted !== wanted) throw new Error(`${counted} of ${wanted} expectations were met`);
      told.passed += 1;
    } catch (error) {
      told.failed.push({ name, why: String(error?.message ?? error).slice(0, 500) });
    }
  }
  return told;
}
