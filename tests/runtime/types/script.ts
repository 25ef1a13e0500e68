// A script, which runs whole for each request, and what of it the compiler must refuse.
const { n = "1" } = request.query;
const count: number = fazt.app.kv.get("count") ?? 0;
fazt.app.kv.set("count", count + Number(n));

try {
  fazt.app.kv.set("", 1);
} catch (error) {
  if (error instanceof FaztError) console.warn(error.code, error.hint ?? "", error.details?.field);
}

if (request.trigger === "run") respond({ text: `${request.input}` });
else if (request.method === "POST") response.status(201).header("x-count", count).cookie("n", n, { maxAge: 60 }).json({ n });
else respond(200, `${fazt.app.name} ${fazt.app.version} ${fazt.app.manifest.title}`, { "content-type": "text/plain" });

// @ts-expect-error the status comes first
respond({ n }, 201);
// @ts-expect-error a status is a number
response.status("201");
// @ts-expect-error headers are texts
respond(200, "", { "x-a": { b: 1 } });
// @ts-expect-error what an app is called is not the app's to change
fazt.app.name = "other";
