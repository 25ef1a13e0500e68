const { table } = require("./table");

module.exports = ({ z }) => {
  const t = table(7);
  const kinds = {
    string: z.string(), short: z.string().min(2).max(4), email: z.string().email(), url: z.string().url(), uuid: z.string().uuid(), date: z.string().datetime(), number: z.number(), int: z.number().int().positive(), coerced: z.coerce.number(), boolean: z.boolean(),
    bigint: z.bigint(), when: z.coerce.date(), list: z.array(z.number()).nonempty(), pair: z.tuple([z.string(), z.number()]), record: z.record(z.number()), choice: z.enum(["a", "b"]), either: z.union([z.string(), z.number()]),
    object: z.object({ a: z.string(), b: z.number().optional() }), strict: z.object({ a: z.string() }).strict(), open: z.object({ a: z.string() }).passthrough(), kind: z.discriminatedUnion("k", [z.object({ k: z.literal(1), a: z.string() }), z.object({ k: z.literal(2) })]),
    trimmed: z.string().trim().toLowerCase(), piped: z.string().transform((s) => s.length).pipe(z.number().max(3)), refined: z.number().refine((n) => n % 2 === 0, "even"), usual: z.string().default("x"), caught: z.number().catch(7), nothing: z.null(), lazy: z.lazy(() => z.array(z.string())),
  };
  const values = ["", "a", "abc", "abcdef", "foo@example.org", "https://example.org", "550e8400-e29b-41d4-a716-446655440000", "2024-01-01T00:00:00Z", 0, 1, -2, 1.5, NaN, true, null, undefined, 5n, [], [1], ["a", 1], ["a"], {}, { a: "x" }, { a: "x", b: 1, c: 2 }, { a: 1 }, { k: 1, a: "x" }, { k: 3 }, new Date(5)];
  for (const [name, kind] of Object.entries(kinds)) {
    values.forEach((value, n) => t.add(`${name} ${n}`, () => { const told = kind.safeParse(value); return told.success ? told.data : told.error.issues; }));
  }
  t.add("flattened", () => kinds.object.safeParse({ a: 1, b: "x" }).error.flatten());
  t.add("formatted", () => kinds.object.safeParse({ a: 1, b: "x" }).error.format());
  t.add("thrown", () => kinds.string.parse(5));
  t.add("later", () => z.string().refine(async (s) => s === "x").safeParseAsync("y").then((told) => told.success));
  t.add("changed", () => kinds.object.pick({ a: true }).extend({ c: z.boolean() }).partial().safeParse({ c: 1 }).error.issues);
  return t.calls;
};
