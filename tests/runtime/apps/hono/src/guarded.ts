import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { bearerAuth } from "hono/bearer-auth";
import { createMiddleware } from "hono/factory";

type Env = { Variables: { steps: string[] } };

export const guarded = new Hono<Env>();

const step = (name: string) =>
  createMiddleware<Env>(async (c, next) => {
    c.set("steps", [...(c.get("steps") ?? []), `${name} in`]);
    await next();
    c.header("X-Steps", `${name} out`, { append: true });
  });

guarded.use("/basic/*", basicAuth({ username: "wren", password: "egg:s", realm: "nest" }));
guarded.get("/basic/room", (c) => c.text("come in"));
guarded.use("/bearer/*", bearerAuth({ token: ["one-token", "two-token"] }));
guarded.get("/bearer/room", (c) => c.text("come in"));
guarded.use("/steps/*", step("first"), step("second"));
guarded.get("/steps/here", step("third"), (c) => c.json(c.get("steps")));
guarded.get("/steps/early", async (c, next) => (c.req.query("stop") ? c.text("stopped") : next()), (c) => c.text("went on"));
