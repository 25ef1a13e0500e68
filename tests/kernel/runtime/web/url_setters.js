const starts = [
  "http://u:p@a.b:81/c?d#e",
  "https://a/",
  "foo://h:9/p?q#f",
  "foo:opaque",
  "foo:/a",
  "file:///a/b",
  "file://h/a",
  "mailto:x@y?z#w",
  "foo:///p",
];
const values = {
  protocol: ["https", "http:", "ftp:x", "foo", "file", "wss", "", "1a", "HTTPS", "a b", "h\ntt\tp", "é"],
  username: ["", "me", "a b@:/", "é"],
  password: ["", "me", "a b@:/", "é"],
  host: [
    "",
    "x.y",
    "x.y:99",
    "x:99abc",
    "x:",
    "x:80",
    ":9",
    "x/y",
    "x?y",
    "x#y",
    "x\\y",
    "u@x",
    "[::1]",
    "[::1]:8",
    "[::",
    "1.2",
    "é",
    "a b",
    "x:99999",
    "localhost",
    "x:a",
    "%41",
    "C:",
  ],
  hostname: ["", "x.y", "x:99", "[::1]", "[::1]:8", "x/y", "a b", "localhost", ":1", "1.256", "a\tb"],
  port: ["", "1", "80", "443", "65535", "65536", "12ab", "a1", "-1", "1.5", "0", "\t9", "00081", " 9", "9/"],
  pathname: ["", "x", "/x", "/x/../y", "x?y#z", "\\x\\y", "//x", "/.//x", "é b", "%2e%2e", "a\nb", "..", ".", "/C|/x"],
  search: ["", "?", "x", "?x=1&y", "??x", "x#y", "a'b\"c", "é", "a\tb", "\ud800"],
  hash: ["", "#", "x", "#x", "##x", "é `", "a\nb"],
  href: ["http://n", "nope", "", "foo:bar"],
};
for (const start of starts) {
  for (const name in values) {
    for (const value of values[name]) {
      const url = new URL(start);
      const { searchParams } = url;
      let failed = "";
      try {
        url[name] = value;
      } catch (error) {
        failed = error.name;
      }
      print(JSON.stringify([start, name, value, failed, url.href, url.port, url.hash, [...searchParams]]));
    }
  }
}
const url = new URL("http://a/?a=1&b=2#h");
url.searchParams.append("c", "d e");
print(url.href);
url.searchParams.delete("a");
print(url.href);
url.searchParams.sort();
print(url.search);
for (const key of [...url.searchParams.keys()]) url.searchParams.delete(key);
print(url.href);
print(JSON.stringify({ url }), `${url}`, Object.prototype.toString.call(url));
for (const call of [
  () => new URL(),
  () => URL("x"),
  () =>
    new URL({
      toString() {
        throw new RangeError("x");
      },
    }),
  () => new URL(Symbol()),
  () => URL.canParse(),
  () => Reflect.get(URL.prototype, "href", {}),
]) {
  try {
    print(call());
  } catch (error) {
    print(error.name);
  }
}
