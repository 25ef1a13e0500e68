const attempt = (act) => {
  try {
    return act();
  } catch (error) {
    return `${error instanceof DOMException} ${error.name}`;
  }
};
const show = (value) => {
  const copy = attempt(() => structuredClone(value));
  if (typeof copy !== "object" || copy === null) return print(typeof copy, Object.is(copy, -0) ? "-0" : String(copy));
  print(
    copy !== value,
    Object.prototype.toString.call(copy),
    Object.getPrototypeOf(copy) === Object.prototype,
    JSON.stringify(copy, (_, item) => (typeof item === "bigint" || item instanceof BigInt ? `${item}n` : item)),
    String(copy.size ?? ""),
    Object.keys(copy),
  );
};
const cycle = { list: [] };
cycle.self = cycle;
cycle.list.push(cycle);
class Own {
  constructor() {
    this.x = 1;
  }
  get y() {
    return 2;
  }
}
const holes = [1, , 3];
holes.extra = "e";
const values = [
  undefined,
  null,
  true,
  0,
  -0,
  NaN,
  Infinity,
  "é",
  5n,
  Symbol("x"),
  () => 1,
  {},
  [],
  { a: { b: [1, { c: 2 }] } },
  holes,
  new Date(5),
  new Date(NaN),
  /a+/gi,
  new Map([
    [{ k: 1 }, "v"],
    ["x", new Map()],
  ]),
  new Set([1, "a", { z: 1 }]),
  new Boolean(false),
  new Number(7),
  new String("abc"),
  Object(3n),
  Object(Symbol("s")),
  new Own(),
  Object.create(null),
  Object.create({ inherited: 1 }),
  new Uint8Array([1, 2]),
  new Float64Array([1.5]),
  new DataView(new ArrayBuffer(4), 1, 2),
  new ArrayBuffer(3),
  new BigInt64Array([1n]),
  new WeakMap(),
  new WeakSet(),
  Promise.resolve(),
  new WeakRef({}),
  (function* () {})(),
  { f() {} },
  { s: Symbol("q") },
  [Symbol("q")],
  new Map([["a", () => 1]]),
  Object.defineProperty({ a: 1 }, "hidden", { value: 2 }),
  { [Symbol("k")]: 1, b: 2 },
  {
    get g() {
      return "got";
    },
  },
  {
    get g() {
      throw new RangeError("evil");
    },
  },
  new Proxy({ p: 1 }, {}),
  (function () {
    return arguments;
  })(1, 2),
  { __proto__: null, n: 1 },
  JSON.parse('{"__proto__":{"x":1}}'),
  globalThis.Math,
  Object.freeze({ a: 1 }),
];
for (const value of values) show(value);
const copy = structuredClone(cycle);
print(copy.self === copy, copy.list[0] === copy, copy !== cycle);
const shared = { x: 1 };
const both = structuredClone([shared, shared, new Map([[shared, shared]])]);
print(both[0] === both[1], both[2].get(both[0]) === both[0]);
const buffer = new ArrayBuffer(8);
const pair = structuredClone({ a: new Uint8Array(buffer, 2, 3), b: new Uint16Array(buffer) });
print(pair.a.buffer === pair.b.buffer, pair.a.byteOffset, pair.a.length);
for (const error of [
  new Error("m"),
  new TypeError("t"),
  new RangeError("r", { cause: { c: 1 } }),
  Object.assign(new Error("p"), { extra: 1 }),
  Object.assign(new Error("n"), { name: "Strange" }),
  Object.assign(new Error("n"), { name: "EvalError" }),
  new (class Mine extends SyntaxError {})("mine"),
  new AggregateError([1], "agg"),
  Object.create(Error.prototype),
]) {
  const other = structuredClone(error);
  print(
    Object.prototype.toString.call(other),
    other.constructor.name,
    other.name,
    other.message,
    JSON.stringify(other.cause),
    other.extra,
    typeof other.stack,
    Object.keys(other),
  );
}
const sparse = structuredClone([, 1]);
print(0 in sparse, sparse.length);
const pattern = /x/g;
pattern.lastIndex = 5;
print(structuredClone(pattern).lastIndex, structuredClone(pattern).flags);
const moved = new Uint8Array([1, 2, 3]);
const taken = structuredClone({ moved, same: moved.buffer }, { transfer: [moved.buffer] });
print(moved.length, moved.buffer.byteLength, [...taken.moved], taken.same === taken.moved.buffer);
print(
  attempt(() => structuredClone(1, { transfer: [moved.buffer] })),
  attempt(() => structuredClone(moved.buffer)),
);
const twice = new ArrayBuffer(1);
print(
  attempt(() => structuredClone(1, { transfer: [twice, twice] })),
  attempt(() => structuredClone(1, { transfer: [{}] })),
  attempt(() => structuredClone(1, { transfer: 5 })),
  attempt(() => structuredClone(1, 5)),
  attempt(() => structuredClone()),
  attempt(() => structuredClone(1, null)),
  attempt(() => structuredClone(1, { transfer: [] })),
);
const safe = new ArrayBuffer(2);
print(
  attempt(() => structuredClone({ safe, bad() {} }, { transfer: [safe] })),
  safe.byteLength,
);
const unused = new ArrayBuffer(2);
print(structuredClone("x", { transfer: [unused] }), unused.byteLength);
const changing = {
  get a() {
    delete this.b;
    return 1;
  },
  b: 2,
  c: 3,
};
print(JSON.stringify(structuredClone(changing)));
const growing = new Map([
  [
    {
      get x() {
        growing.set("late", 1);
        return 1;
      },
    },
    1,
  ],
]);
print(structuredClone(growing).size);
let deep = null;
for (let at = 0; at < 500; at++) deep = { deep };
print(JSON.stringify(structuredClone(deep)).length);
print(
  structuredClone(Array.from({ length: 50000 }, (_, at) => ({ at }))).length,
  structuredClone.length,
  structuredClone.name,
);
const blank = structuredClone(
  new Proxy([1, 2], {
    get(list, key) {
      return key === "length" ? 2 : list[key];
    },
  }).slice(),
);
print(blank);
