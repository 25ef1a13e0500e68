import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";

export const bodies = new Hono();

const hex = (buffer: ArrayBuffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

bodies.post("/json", async (c) => c.json({ got: await c.req.json() }));
bodies.post("/text", async (c) => c.text(await c.req.text()));
bodies.post("/bytes", async (c) => c.text(hex(await c.req.arrayBuffer())));
bodies.post("/blob", async (c) => {
  const blob = await c.req.blob();
  return c.json({ size: blob.size, type: blob.type });
});
bodies.post("/form", async (c) => c.json(await c.req.parseBody({ all: true, dot: true })));
bodies.post("/upload", async (c) => {
  const told: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(await c.req.parseBody({ all: true }))) {
    const parts = Array.isArray(value) ? value : [value];
    told[name] = await Promise.all(
      parts.map(async (part) =>
        part instanceof File ? { name: part.name, type: part.type, size: part.size, hex: hex(await part.arrayBuffer()) } : part,
      ),
    );
  }
  return c.json(told);
});
bodies.post("/entries", async (c) => {
  const form = await c.req.formData();
  return c.json([...form].map(([name, value]) => [name, typeof value === "string" ? value : value.name]));
});
bodies.post("/twice", async (c) => c.json([await c.req.text(), await c.req.json()]));
bodies.post("/raw", async (c) => {
  const copy = c.req.raw.clone();
  const sizes: number[] = [];
  for await (const chunk of copy.body as unknown as AsyncIterable<Uint8Array>) sizes.push(chunk.byteLength);
  return c.json({ total: sizes.reduce((sum, size) => sum + size, 0), text: await c.req.raw.text() });
});
bodies.post("/small", bodyLimit({ maxSize: 20, onError: (c) => c.text("too much", 413) }), async (c) => c.text(await c.req.text()));
bodies.post("/none", async (c) => c.json({ text: await c.req.text() }));
