// A handler of a module, and what of it the compiler must refuse.
const handler: FaztHandler = async (request) => {
  const user = fazt.auth.getUser();
  if (!user) return respond(401, { error: "Sign in first." });
  const owner = fazt.auth.requireRole("editor", ["admin"]);
  const { name } = request.body;
  const picture = request.files.picture;
  const bytes: number = picture ? picture.data.byteLength : 0;
  const port: string | number = fazt.env.get("PORT", 80);
  const isKnown: boolean = fazt.env.has("PORT");
  const text: string | undefined = fazt.private.read("words.txt");
  fazt.log.info("asked", { path: request.path, first: request.query.q, agent: request.headers["user-agent"] });
  await fazt.sleep(1);

  // @ts-expect-error nobody may be asking
  fazt.auth.getUser().id;
  // @ts-expect-error there may be no such setting
  const length: number = fazt.env.get("PORT").length;
  // @ts-expect-error a level that is none
  fazt.log.fatal("no");
  // @ts-expect-error what somebody is cannot be changed
  user.role = "owner";
  // @ts-expect-error a wait is a number
  fazt.sleep("5s");
  // @ts-expect-error there may be no such file
  text.length;

  if (request.method === "DELETE") return undefined;
  return { status: 201, json: { name, bytes, port, isKnown, by: owner.id, length }, cookies: { seen: { value: 1, maxAge: 60 } } };
};

const answers: FaztResponse[] = [
  { redirect: "/api/other", status: 303 },
  { html: "<!doctype html>", headers: { "x-many": ["a", "b"] } },
  { body: new Uint8Array(3), cookies: { a: "b" } },
  // @ts-expect-error a status is a number
  { status: "200" },
  // @ts-expect-error there is no such key
  { statusCode: 200 },
];

export { answers, handler };
