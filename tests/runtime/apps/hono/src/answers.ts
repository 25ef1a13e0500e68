import { Hono } from "hono";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { secureHeaders } from "hono/secure-headers";

export const answers = new Hono();

answers.get("/text", (c) => c.text("plain, with Ümläuts and 🥚"));
answers.get("/html", (c) => c.html("<!doctype html><h1>Nest</h1>"));
answers.get("/json", (c) => c.json({ list: [1, 2.5, -0, null, "ü"], deep: { a: { b: [] } }, big: 1e21 }));
answers.get("/bytes", (c) => c.body(Uint8Array.from({ length: 256 }, (_, n) => n), 200, { "Content-Type": "application/octet-stream" }));
answers.get("/empty", (c) => c.body(null));
answers.get("/status/:code{[0-9]{3}}", (c) => new Response(`status ${c.req.param("code")}`, { status: Number(c.req.param("code")) }));
answers.get("/redirect", (c) => c.redirect("/api/answers/text"));
answers.get("/moved", (c) => c.redirect("https://example.org/nest?a=1&b=2", 301));
answers.get("/own", () => new Response("as it is", { headers: { "Content-Type": "text/x-own", "X-Twice": "a, b" } }));
answers.get("/headers", (c) => {
  c.header("X-One", "1");
  c.header("X-Many", "a");
  c.header("X-Many", "b", { append: true });
  c.header("Cache-Control", "private, max-age=60");
  return c.json({ agent: c.req.header("User-Agent") ?? null, own: c.req.header("x-own") ?? null });
});
answers.get("/url", (c) => {
  const url = new URL(c.req.url);
  return c.json({ path: url.pathname, query: url.search, all: [...url.searchParams], got: c.req.query("a") ?? null });
});
answers.get("/large", (c) => c.text("0123456789abcdef".repeat(8192)));
answers.all("/method", (c) => c.text(c.req.method));

answers.use("/tagged/*", etag());
answers.get("/tagged/text", (c) => c.text("always the same"));
answers.get("/tagged/json", (c) => c.json({ same: true }));
answers.get("/tagged/own", (c) => c.text("own", 200, { ETag: '"mine"' }));

answers.use("/shared/*", cors({ origin: ["https://one.example", "https://two.example"], allowMethods: ["GET", "PUT"], credentials: true, maxAge: 600, exposeHeaders: ["X-One"] }));
answers.get("/shared/data", (c) => c.json({ shared: true }));
answers.use("/open/*", cors());
answers.get("/open/data", (c) => c.json({ open: true }));

answers.use("/safe/*", secureHeaders());
answers.get("/safe/page", (c) => c.html("<p>safe</p>"));
