const attempt = (act) => {
  try {
    return act();
  } catch (error) {
    return error.name;
  }
};
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const texts = [
  "",
  "a",
  "é",
  "€",
  "😀",
  "\ud800",
  "\udc00",
  "\udc00\ud800",
  "a\ud800b",
  "\ud800\ud800\udc00",
  "\0",
  "\ufeffx",
  "\uffff",
  undefined,
  null,
  5,
];
for (const text of texts) print(hex(new TextEncoder().encode(text)));
for (const text of ["abc", "é€😀", "a\ud800", "😀"]) {
  for (let room = 0; room < 7; room++) {
    const bytes = new Uint8Array(room);
    const { read, written } = new TextEncoder().encodeInto(text, bytes);
    print(text.length, room, read, written, hex(bytes));
  }
}
const sequences = [
  "",
  "61",
  "c3a9",
  "e282ac",
  "f09f9880",
  "efbbbf61",
  "efbbbfefbbbf",
  "80",
  "bf",
  "c0",
  "c080",
  "c1bf",
  "c2",
  "c241",
  "c2c2a9",
  "e0",
  "e080",
  "e08080",
  "e09f80",
  "e0a0",
  "e0a041",
  "e28241",
  "eda080",
  "edbfbf",
  "ed9fbf",
  "ee8080",
  "f0",
  "f08080",
  "f0808080",
  "f08f8080",
  "f090",
  "f09041",
  "f0908041",
  "f0908080",
  "f48fbfbf",
  "f4908080",
  "f5",
  "f8",
  "fe",
  "ff",
  "fffe",
  "61ff62",
  "e2",
  "e282",
  "f09f98",
  "f09f98f09f9880",
  "efbb",
  "efbbbf",
  "00",
  "7f",
  "61c3",
  "e1a0c0",
  "61f1808081c2",
  "4180418041",
  "c3a9c3a961c3",
];
const bytesOf = (text) => new Uint8Array((text.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
for (const sequence of sequences) {
  const bytes = bytesOf(sequence);
  for (const label of ["utf-8", "utf-16le", "utf-16be", "latin1"]) {
    if (label === "latin1" && bytes.some((byte) => byte >= 0x80 && byte < 0xa0)) continue;
    for (const options of [{}, { fatal: true }, { ignoreBOM: true }]) {
      if (label === "latin1" && options.fatal) continue;
      const decoder = new TextDecoder(label, options);
      const pieces = [];
      const whole = attempt(() => new TextDecoder(label, options).decode(bytes));
      const split = attempt(() => {
        for (const byte of bytes) pieces.push(decoder.decode(new Uint8Array([byte]), { stream: true }));
        return pieces.join("") + decoder.decode();
      });
      print(
        sequence,
        label,
        JSON.stringify(options),
        JSON.stringify(whole),
        JSON.stringify(split),
        JSON.stringify(attempt(() => decoder.decode(bytesOf("efbbbf61")))),
      );
    }
  }
}
for (const units of [
  "6100",
  "3dd800de",
  "3dd8",
  "00de",
  "00de3dd8",
  "3dd83dd800de",
  "610062",
  "fffe6100",
  "feff0061",
  "3dd861",
  "3dd86100",
  "3d",
]) {
  for (const label of ["utf-16le", "utf-16be"])
    print(
      units,
      label,
      JSON.stringify(new TextDecoder(label).decode(bytesOf(units))),
      attempt(() => new TextDecoder(label, { fatal: true }).decode(bytesOf(units))),
    );
}
for (const label of [
  "utf-8",
  "UTF8",
  " utf-8\n",
  "unicode-1-1-utf-8",
  "utf-16",
  "UTF-16LE",
  "utf-16be",
  "latin1",
  "ascii",
  "iso-8859-1",
  "windows-1252",
  "us-ascii",
  "utf-7",
  "",
  "nope",
  "\u00a0utf-8",
  undefined,
  null,
]) {
  print(
    label,
    attempt(() => new TextDecoder(label).encoding),
  );
}
const decoder = new TextDecoder("utf-8", { fatal: 1, ignoreBOM: "x" });
print(
  decoder.fatal,
  decoder.ignoreBOM,
  decoder.encoding,
  new TextEncoder().encoding,
  Object.prototype.toString.call(decoder),
  Object.prototype.toString.call(new TextEncoder()),
);
const buffer = bytesOf("6162636465").buffer;
print(
  new TextDecoder().decode(buffer),
  new TextDecoder().decode(new DataView(buffer, 1, 2)),
  new TextDecoder().decode(new Uint16Array(buffer, 0, 1)),
);
for (const value of ["x", {}, [], 5, null]) print(attempt(() => new TextDecoder().decode(value)));
print(
  attempt(() => TextDecoder()),
  attempt(() => new TextEncoder().encodeInto("a", [])),
  attempt(() => new TextEncoder().encode(Symbol())),
);
const long = "é€😀a".repeat(20000);
print(new TextDecoder().decode(new TextEncoder().encode(long)) === long, new TextEncoder().encode(long).length);
for (const text of [
  "",
  "YQ",
  "YQ=",
  "YQ==",
  "Y",
  "YWI",
  "YWI=",
  "YWJj",
  " Y Q = = ",
  "Y\fQ",
  "Y\u00a0Q",
  "=",
  "====",
  "YQ===",
  "Y=Q=",
  "YR==",
  "-_",
  "+/",
  "é",
  "\0",
  undefined,
  null,
  12,
])
  print(
    JSON.stringify(text),
    attempt(() => hex([...atob(text)].map((char) => char.charCodeAt(0)))),
  );
for (const text of ["", "a", "ab", "abc", "\xff", "\u0100", "\ud800", undefined, null, 1.5])
  print(attempt(() => btoa(text)));
print(
  attempt(() => atob()),
  attempt(() => btoa()),
  attempt(() => atob(Symbol())),
  atob(btoa("x".repeat(1e5))).length,
);
try {
  atob("!");
} catch (error) {
  print(error instanceof DOMException, error instanceof Error, error.code, error.name);
}
const thrown = new DOMException("m", "AbortError");
print(
  thrown.message,
  thrown.name,
  thrown.code,
  `${thrown}`,
  Object.prototype.toString.call(thrown),
  typeof thrown.stack,
  DOMException.DATA_CLONE_ERR,
  thrown.TIMEOUT_ERR,
  new DOMException().name,
  new DOMException("x", "Own").code,
);
// Long input is worked on in pieces; no character may be lost between two.
for (let short = 0; short < 12; short++) {
  const start = new Uint8Array(32768 - short).fill(97);
  for (const rest of ["e282ac808080f09f9880", "80808080e282ac", "f09f9880f09f9880c3a9", "f09f98", "e2e2e282ac"]) {
    const tail = bytesOf(rest);
    const whole = new Uint8Array(start.length + tail.length + 100).fill(98);
    whole.set(start);
    whole.set(tail, start.length);
    print(short, rest, JSON.stringify(new TextDecoder().decode(whole).replace(/^a+|b+$/g, "")));
  }
  const text = `${"a".repeat(32768 - short)}\ud800\ud800\udc00😀😀é${"b".repeat(100)}`;
  print(short, hex(new TextEncoder().encode(text)).replace(/^(61)+|(62)+$/g, ""));
}
