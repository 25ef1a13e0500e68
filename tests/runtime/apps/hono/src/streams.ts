import { Hono } from "hono";
import { stream, streamSSE, streamText } from "hono/streaming";

export const streams = new Hono();

streams.get("/text", (c) =>
  streamText(c, async (out) => {
    for (const word of ["one", "two", "three"]) {
      await out.writeln(word);
      await out.sleep(1);
    }
  }),
);
streams.get("/bytes", (c) => {
  c.header("Content-Type", "application/octet-stream");
  return stream(c, async (out) => {
    for (let n = 0; n < 64; n++) await out.write(new Uint8Array(1024).fill(n));
  });
});
streams.get("/events", (c) =>
  streamSSE(c, async (out) => {
    await out.writeSSE({ data: "hello", event: "greet", id: "1" });
    await out.writeSSE({ data: "two\nlines", id: "2", retry: 1000 });
    await out.writeSSE({ data: JSON.stringify({ n: 3 }) });
  }),
);
streams.get("/pipe", (c) => {
  c.header("Content-Type", "text/plain");
  return stream(c, async (out) => {
    const source = new ReadableStream({
      start(controller) {
        for (const part of ["a", "b", "c"]) controller.enqueue(new TextEncoder().encode(part.repeat(100)));
        controller.close();
      },
    });
    await out.pipe(source);
  });
});
streams.get("/pulled", () => {
  let left = 5;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(`${left};`));
      if (--left === 0) controller.close();
    },
  });
  return new Response(body.pipeThrough(upper()), { headers: { "Content-Type": "text/plain" } });
});
streams.post("/echo", (c) => new Response(c.req.raw.body, { headers: { "Content-Type": "application/octet-stream" } }));

function upper() {
  return new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => controller.enqueue(chunk.map((byte) => (byte === 59 ? 33 : byte))),
    flush: (controller) => controller.enqueue(new TextEncoder().encode("end")),
  });
}
