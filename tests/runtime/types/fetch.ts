// A web handler, and what of it the compiler must refuse.
interface Env {
  MAIL_KEY: string;
}

const notes = fazt.app.kv;

const handler: FaztFetchHandler<Env> = {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const form = await request.formData();
    const file = form.get("file");
    ctx.waitUntil(fazt.sleep(5));
    notes.set("last", { at: Date.now(), key: env.MAIL_KEY.length }, "1h");
    fazt.storage.kv.set("n", 1, 60);
    const found = notes.list("note:", { limit: 10, after: "note:3" }).map((entry) => entry.key.length);
    for (const name of ["a", "b"]) fazt.storage.kv.delete(name);

    const { ds, s3 } = fazt.app;
    const one: string = ds.insert("notes", { text: "a", tags: ["b"] });
    const several: string[] = ds.insert("notes", [{ text: "a" }, { id: 5 }]);
    const made: string = ds.insert("notes", await request.json());
    const known = ds.get("notes", one) ?? ds.findOne("notes", { text: "a" });
    const age: number = known ? Date.now() - known._createdAt + known.seen : several.length + made.length;
    const ids: string[] = ds.find("notes", {}, { order: "asc", sort: { text: 1 } }).map((doc) => doc.id);
    s3.put("f", new DataView(new ArrayBuffer(age)));
    s3.put("f", ids.join());
    s3.put("f", new Float32Array(3).buffer);
    fazt.storage.vector.queryEmbedding("v", new Float32Array(3));
    // @ts-expect-error there may be no such document
    ds.get("notes", one).id;
    // @ts-expect-error there is no such order
    ds.find("notes", {}, { order: "up" });
    // @ts-expect-error several have several ids
    const wrongly: string = ds.insert("notes", [{ text: "a" }]);
    // @ts-expect-error bytes are no list
    s3.put("f", [1, 2]);

    // @ts-expect-error a key is text
    notes.get(5);
    // @ts-expect-error a value is missing
    notes.set("x");
    // @ts-expect-error there is no such option
    notes.list("note:", { limits: 10 });
    // @ts-expect-error there is no such capability
    fazt.storage.kv.take("x");
    // @ts-expect-error there is no such store
    fazt.storage.nothing;
    // @ts-expect-error the object is not the app's to change
    fazt.version = "2";
    // @ts-expect-error nor are its parts
    fazt.storage.kv = notes;
    // @ts-expect-error settings are text
    env.MAIL_KEY = 5;

    if (file instanceof File) return new Response(file.stream(), { headers: { "content-type": file.type } });
    return Response.json({ path: url.pathname, found, digest: await crypto.subtle.digest("SHA-256", new Uint8Array(3)) });
  },
};

const wrong: FaztFetchHandler = {
  // @ts-expect-error a handler gives a Response
  fetch: () => "text",
};

export default handler;
export { wrong };
