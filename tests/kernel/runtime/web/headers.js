const attempt = (act) => {
  try {
    const value = act();
    return value === undefined ? "fine" : value;
  } catch (error) {
    return error.name;
  }
};
const show = (headers) => print(JSON.stringify([...headers]), JSON.stringify(headers.getSetCookie()));
show(new Headers());
show(new Headers({ b: "2", A: "1", "Content-Type": " text/html\t" }));
show(
  new Headers([
    ["a", "1"],
    ["A", "2"],
    ["set-cookie", "x=1"],
    ["Set-Cookie", "y=2"],
    ["b", ""],
  ]),
);
show(
  new Headers(
    new Headers([
      ["set-cookie", "x=1"],
      ["set-cookie", "y=2"],
      ["z", "1"],
    ]),
  ),
);
show(new Headers(new Map([["q", "r"]])));
show(new Headers({ a: 1, b: null, c: undefined, d: true, e: ["x", "y"] }));
for (const init of [
  null,
  "x",
  5,
  true,
  Symbol("s"),
  [["a"]],
  [["a", "b", "c"]],
  ["ab"],
  [1],
  { "a b": "x" },
  { "": "x" },
  { a: "x\ny" },
  { a: "x\0" },
  { a: "é" },
  { a: "€" },
  { é: "x" },
  { a: Symbol("s") },
  { [Symbol("s")]: "x" },
  {
    get a() {
      throw new RangeError("evil");
    },
  },
  { a: "\r\n x \r\n" },
  { "a:": "1" },
  { "(": "1" },
  { 'a"': "1" },
  { a: "x\ry" },
  { a: "\x7f" },
]) {
  print(attempt(() => JSON.stringify([...new Headers(init)])));
}
const headers = new Headers({ b: "1" });
headers.append("B", "2");
headers.append("set-cookie", "a=1");
headers.append("Set-Cookie", "b=2");
print(headers.get("b"), headers.get("SET-COOKIE"), headers.get("none"), headers.has("B"), headers.has("none"));
headers.set("set-cookie", "c=3");
show(headers);
headers.set("B", " 9 ");
headers.append("a", "");
headers.append("a", "");
show(headers);
headers.delete("b");
headers.delete("set-cookie");
headers.delete("none");
show(headers);
for (const name of ["", "a b", "é", "a:b", "\n", "a\0"])
  for (const method of ["get", "has", "delete", "set", "append"])
    print(
      name.length,
      method,
      attempt(() => headers[method](name, "x")),
    );
for (const method of ["get", "has", "delete", "set", "append", "forEach"])
  print(
    method,
    attempt(() => headers[method]()),
    attempt(() => Headers.prototype[method].call({}, "a", "b")),
  );
const walk = new Headers({ a: "1", b: "2", c: "3" });
for (const [name] of walk) {
  print(name);
  if (name === "a") walk.delete("b");
  if (name === "c" && !walk.has("d")) walk.append("d", "4");
}
walk.forEach(
  function (value, name, all) {
    print(value, name, all === walk, this.x);
  },
  { x: 1 },
);
print(
  [...walk.keys()],
  [...walk.values()],
  Headers.prototype[Symbol.iterator] === Headers.prototype.entries,
  Object.prototype.toString.call(walk),
  Object.prototype.toString.call(walk.keys()),
);
print(Object.keys(Headers.prototype).sort());
const evil = new Headers(new Proxy({ a: "1", b: "2" }, { ownKeys: () => ["b", "a"] }));
show(evil);
print(new Headers(Array.from({ length: 5000 }, (_, at) => [`x-${at % 1000}`, `${at}`])).get("x-7"));
