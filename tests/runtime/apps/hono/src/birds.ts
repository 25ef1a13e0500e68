import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { z } from "zod";

const bird = z.object({
  name: z.string().min(2).max(40),
  eggs: z.number().int().nonnegative().default(0),
  tags: z.array(z.enum(["small", "loud", "blue"])).max(3).optional(),
  mail: z.string().email().optional(),
});
const page = z.object({ limit: z.coerce.number().int().min(1).max(50).default(10), sort: z.enum(["name", "eggs"]).optional() });

export const birds = new Hono();

birds.get("/", zValidator("query", page), (c) => c.json({ asked: c.req.valid("query"), all: c.req.queries() }));
birds.post("/", zValidator("json", bird), (c) => {
  const made = c.req.valid("json");
  return c.json({ id: encodeURIComponent(made.name.toLowerCase()), ...made }, 201, { Location: "/api/birds/1" });
});
birds.put(
  "/:id{[0-9]+}",
  zValidator("param", z.object({ id: z.coerce.number().max(999) })),
  zValidator("json", bird.partial(), (result, c) => {
    if (!result.success) return c.json({ problems: result.error.issues.map((issue) => [issue.path.join("."), issue.message]) }, 422);
  }),
  (c) => c.json({ ...c.req.valid("param"), ...c.req.valid("json") }),
);
birds.get("/:id{[0-9]+}", (c) => c.json({ id: Number(c.req.param("id")) }));
birds.get("/:name/songs/:song?", (c) => c.json(c.req.param()));
birds.get("/:name/*", (c) => c.text(`${c.req.param("name")}: ${c.req.path}`));
birds.delete("/:id{[0-9]+}", (c) => c.body(null, 204));
birds.on(["PATCH", "PURGE"], "/:id{[0-9]+}", (c) => c.text(`${c.req.method} ${c.req.param("id")}`));
