const { table } = require("./table");

const SPACE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

module.exports = (uuid) => {
  const t = table(6);
  for (let n = 0; n < 30; n++) {
    const name = t.word();
    t.add(`v5 ${name}`, () => uuid.v5(name, SPACE));
    const bytes = Array.from({ length: 16 }, () => t.int(0, 255));
    t.add(`v4 ${bytes}`, () => uuid.v4({ random: bytes }));
    t.add(`v1 ${bytes}`, () => uuid.v1({ node: bytes.slice(0, 6), clockseq: 0x1234, msecs: 1320105600000 + n, nsecs: n }));
  }
  for (const text of [SPACE, SPACE.toUpperCase(), "", "x", `{${SPACE}}`, SPACE.replace("-1", "-9"), "00000000-0000-0000-0000-000000000000", null, 5]) {
    t.add(`validate ${text}`, () => uuid.validate(text));
    t.add(`version ${text}`, () => uuid.version(text));
  }
  t.add("v4 is one", () => [uuid.validate(uuid.v4()), uuid.version(uuid.v4()), uuid.v4() === uuid.v4()]);
  t.add("v1 is one", () => [uuid.validate(uuid.v1()), uuid.version(uuid.v1()), uuid.v1() === uuid.v1()]);
  t.add("a thousand differ", () => new Set(Array.from({ length: 1000 }, () => uuid.v4())).size);
  t.add("a bad space", () => uuid.v5("x", "no space"));
  return t.calls;
};
