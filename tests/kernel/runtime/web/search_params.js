const show = (params) => print(JSON.stringify([`${params}`, [...params], params.size]));
const texts = [
  "",
  "?",
  "??",
  "a",
  "a=",
  "=a",
  "=",
  "&",
  "&&",
  "a&b",
  "a=b=c",
  "a+b=c+d",
  "%",
  "%4",
  "%zz",
  "%41",
  "%ff",
  "%f0%9f%98%80",
  "%e2%98",
  "é=ü",
  "\ud800=1",
  "a%00b=1",
  "a=b&a=c",
  "?a=1",
  "\ufeffa=1",
  "%EF%BB%BFa",
  "a;b=1",
  "!'()*~-._=!'()*~-._",
  " =\u00a0",
  "+%2B+",
  "%C3%28",
  "%E0%80%80",
  "%ED%A0%80",
  "%F4%90%80%80",
];
for (const text of texts) show(new URLSearchParams(text));
show(
  new URLSearchParams([
    ["a", 1],
    ["b", null],
    ["c", undefined],
  ]),
);
show(new URLSearchParams({ a: 1, b: [1, 2], 3: "x" }));
show(new URLSearchParams(new URLSearchParams("a=1&b=2")));
show(new URLSearchParams(new Map([["x", "y"]])));
show(new URLSearchParams(null));
show(new URLSearchParams(undefined));
show(new URLSearchParams(7));
show(
  new URLSearchParams(
    (function* () {
      yield ["g", "h"];
      yield new Set(["i", "j"]);
    })(),
  ),
);
show(new URLSearchParams({ "\ud800": "1", "\ufffd": "2" }));
const bad = [
  [["a"]],
  [["a", "b", "c"]],
  [1],
  ["ab"],
  [null],
  { [Symbol.iterator]: 1 },
  { a: Symbol("x") },
  {
    get a() {
      throw new RangeError("evil");
    },
  },
  {
    [Symbol.iterator]() {
      throw new EvalError("evil");
    },
  },
  { [Symbol.iterator]: () => ({ next: () => 1 }) },
  Symbol("s"),
];
for (const init of bad) {
  try {
    show(new URLSearchParams(init));
  } catch (error) {
    print(error.name);
  }
}
const params = new URLSearchParams("b=1&a=2&b=3&😀=4&\uffff=5&c");
params.sort();
show(params);
params.set("b", "x");
show(params);
params.append("b", "y");
print(
  params.get("b"),
  params.get("none"),
  JSON.stringify(params.getAll("b")),
  params.has("b", "y"),
  params.has("b", "z"),
  params.has("c"),
);
params.delete("b", "y");
show(params);
params.delete("b");
show(params);
const seen = [];
params.forEach(function (value, key, all) {
  seen.push([value, key, all === params, this === seen]);
}, seen);
print(JSON.stringify(seen));
const walk = new URLSearchParams("a=1&b=2&c=3");
for (const [key] of walk) {
  print(key);
  if (key === "a") walk.delete("b");
}
const iterator = walk.entries();
print(
  Object.prototype.toString.call(iterator),
  typeof iterator[Symbol.iterator],
  JSON.stringify(iterator.next()),
  Object.prototype.toString.call(walk),
);
print(
  [...walk.keys()],
  [...walk.values()],
  URLSearchParams.prototype[Symbol.iterator] === URLSearchParams.prototype.entries,
);
print(Object.keys(URLSearchParams.prototype).sort());
for (const call of [
  () => params.append("a"),
  () => params.get(),
  () => params.forEach(1),
  () => URLSearchParams.prototype.get.call({}, "a"),
  () => URLSearchParams(),
]) {
  try {
    call();
    print("fine");
  } catch (error) {
    print(error.name);
  }
}
