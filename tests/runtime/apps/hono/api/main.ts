import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { poweredBy } from "hono/powered-by";
import { prettyJSON } from "hono/pretty-json";
import { requestId } from "hono/request-id";
import { account } from "../src/account";
import { answers } from "../src/answers";
import { birds } from "../src/birds";
import { bodies } from "../src/bodies";
import { cookies } from "../src/cookies";
import { guarded } from "../src/guarded";
import { pages } from "../src/pages";
import { streams } from "../src/streams";

type Variables = { requestId: string };

const app = new Hono<{ Variables: Variables }>().basePath("/api");

app.use(poweredBy(), prettyJSON());
app.use("/traced/*", requestId({ headerName: "X-Trace" }));
app.get("/traced/id", (c) => c.text(c.get("requestId")));

app.get("/", (c) => c.text("Hono!"));
app.route("/birds", birds);
app.route("/answers", answers);
app.route("/bodies", bodies);
app.route("/cookies", cookies);
app.route("/guarded", guarded);
app.route("/account", account);
app.route("/streams", streams);
app.route("/pages", pages);

app.get("/fails/plain", () => {
  throw new Error("out of eggs");
});
app.get("/fails/later", async () => {
  await Promise.resolve();
  throw new HTTPException(418, { message: "short and stout" });
});
app.get("/fails/own", () => {
  const res = new Response("no entry", { status: 403, headers: { "X-Why": "because" } });
  throw new HTTPException(403, { res });
});

app.notFound((c) => c.json({ error: "not found", path: c.req.path }, 404));
app.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse();
  // what an engine says is its own business
  return c.json({ error: error.name }, 500);
});

export default app;
