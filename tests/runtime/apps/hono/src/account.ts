import { Hono } from "hono";
import { jwt, sign, verify } from "hono/jwt";

const SECRET = "a secret of the nest";

export const account = new Hono();

account.get("/token", async (c) => c.text(await sign({ sub: "wren", role: c.req.query("role") ?? "guest" }, SECRET, "HS256")));
account.get("/check", async (c) => {
  try {
    return c.json(await verify(c.req.query("token") ?? "", SECRET, "HS256"));
  } catch (error) {
    return c.json({ error: (error as Error).name }, 400);
  }
});
account.use("/me", jwt({ secret: SECRET, alg: "HS256" }));
account.get("/me", (c) => c.json(c.get("jwtPayload")));
account.get("/digest/:kind", async (c) => {
  const data = new TextEncoder().encode(c.req.query("of") ?? "");
  const digest = await crypto.subtle.digest(c.req.param("kind"), data);
  return c.text([...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
});
