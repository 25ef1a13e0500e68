const { table } = require("./table");

module.exports = (_) => {
  const t = table(1);
  const numbers = () => t.many(() => t.int(-5, 9));
  const value = (depth = 2) => t.one([() => t.int(-9, 9), t.word, () => null, () => undefined, () => t.next() < 0.5, () => object(depth - 1), () => t.many(() => value(depth - 1), 4)])();
  const object = (depth) => (depth < 0 ? {} : Object.fromEntries(t.many(() => [t.one(["a", "b", "c", "name", "x.y"]), value(depth)], 4)));
  const birds = () => t.many(() => ({ name: t.one(["wren", "tit", "owl", "Crow"]), eggs: t.int(0, 6), at: { home: t.next() < 0.5 } }));
  const call = (name, ...given) => t.add(`${name}(${JSON.stringify(given)})`, () => _[name](...given));

  for (let n = 0; n < 12; n++) {
    for (const name of ["compact", "uniq", "head", "last", "initial", "tail", "sum", "mean", "max", "min", "size", "flatten", "sortedUniq", "reverse"]) call(name, numbers());
    for (const name of ["chunk", "drop", "dropRight", "take", "takeRight", "nth"]) call(name, numbers(), t.int(-1, 4));
    for (const name of ["difference", "intersection", "union", "xor", "zip", "without", "pullAll", "concat"]) call(name, numbers(), numbers());
    for (const name of ["camelCase", "kebabCase", "snakeCase", "startCase", "upperFirst", "capitalize", "deburr", "escape", "words", "trim", "toUpper", "lowerCase"]) call(name, t.word());
    for (const name of ["pad", "padStart", "padEnd", "repeat"]) call(name, t.word(), t.int(0, 12));
    for (const name of ["cloneDeep", "isEqual", "isEmpty", "isPlainObject", "toPairs", "keys", "values", "invert", "toString", "isArray", "isNil"]) call(name, value());
    for (const name of ["isEqual", "merge", "defaults", "defaultsDeep", "assign", "isMatch"]) call(name, object(2), object(2));
    for (const name of ["groupBy", "keyBy", "countBy", "sortBy", "map", "sumBy", "maxBy", "minBy", "uniqBy", "filter", "find", "findIndex", "partition", "reject", "every", "some"]) call(name, birds(), t.one(["name", "eggs", "at.home"]));
    call("orderBy", birds(), ["name", "eggs"], [t.one(["asc", "desc"]), t.one(["asc", "desc"])]);
    for (const name of ["get", "has", "unset"]) call(name, object(2), t.one(["a", "a.b", "x.y", "[0].a", "a[0]", "name.length"]));
    call("set", object(2), t.one(["a", "a.b.c", "x[1].y"]), t.int(0, 9));
    for (const name of ["pick", "omit"]) call(name, object(2), ["a", "x.y", "b.c"]);
    for (const name of ["range", "clamp", "inRange", "round", "ceil", "floor"]) call(name, t.int(-9, 9) / 4, t.int(0, 3), t.int(1, 3));
  }
  t.add("map of a function", () => _.map([1, 2, 3], (n) => n * n));
  t.add("reduce", () => _.reduce({ a: 1, b: 2 }, (sum, n) => sum + n, 0));
  t.add("mapValues", () => _.mapValues({ a: 1 }, (n) => n + 1));
  t.add("chain", () => _([3, 1, 2]).sortBy().map((n) => n * 2).take(2).value());
  t.add("template", () => _.template("hello <%= user %>!")({ user: "wren" }));
  t.add("template with a loop", () => _.template("<% _.each(all, (x) => { %><%- x %>;<% }) %>")({ all: ["<", "b"] }));
  t.add("curry", () => _.curry((a, b, c) => [a, b, c])(1)(2, 3));
  t.add("flow", () => _.flow([(a, b) => a + b, (n) => n * n])(1, 2));
  t.add("memoize", () => { let n = 0; const f = _.memoize(() => ++n); return [f("a"), f("a"), f("b")]; });
  t.add("once", () => { let n = 0; const f = _.once(() => ++n); return [f(), f()]; });
  t.add("partial", () => _.partial((a, b) => `${a} ${b}`, _, "x")("y"));
  t.add("cloneDeep of everything", () => _.cloneDeep({ d: new Date(5), r: /x/gi, m: new Map([[1, { a: 1 }]]), s: new Set([1]), u: new Uint8Array([1, 2]) }));
  t.add("isEqual of everything", () => _.isEqual({ d: new Date(5), m: new Map([[1, 2]]) }, { d: new Date(5), m: new Map([[1, 2]]) }));
  t.add("merge of __proto__", () => [_.merge({}, JSON.parse('{"__proto__":{"bad":1}}')), {}.bad]);
  t.add("set of __proto__", () => [_.set({}, "__proto__.bad", 1), {}.bad]);
  t.add("set of constructor", () => [_.set({}, "constructor.prototype.bad", 1), {}.bad]);
  t.add("truncate", () => _.truncate("hi-diddly-ho there, neighborino", { length: 24, separator: " " }));
  t.add("parseInt", () => _.map(["6", "08", "10", "x"], _.parseInt));
  t.add("debounce is a function", () => typeof _.debounce(() => 1, 5).cancel);
  t.add("times", () => _.times(4, (n) => n * 2));
  t.add("unescape", () => _.unescape("a &amp; b &lt; &#39;"));
  t.add("attempt", () => _.isError(_.attempt(() => { throw new TypeError("x"); })));
  t.add("VERSION", () => _.VERSION);
  return t.calls;
};
