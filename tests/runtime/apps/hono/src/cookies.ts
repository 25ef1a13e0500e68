import { Hono } from "hono";
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from "hono/cookie";

const SECRET = "a secret of the nest";

export const cookies = new Hono();

cookies.get("/all", (c) => c.json(getCookie(c)));
cookies.get("/one", (c) => c.json({ one: getCookie(c, "one") ?? null }));
cookies.get("/set", (c) => {
  setCookie(c, "plain", "value");
  setCookie(c, "full", "with space & ü", { path: "/api", httpOnly: true, secure: true, sameSite: "Strict", maxAge: 3600 });
  setCookie(c, "late", "1", { expires: new Date(Date.UTC(2027, 0, 2, 3, 4, 5)), sameSite: "Lax" });
  return c.text("set");
});
cookies.get("/delete", (c) => {
  const old = deleteCookie(c, "plain", { path: "/api" });
  return c.json({ old: old ?? null });
});
cookies.get("/sign", async (c) => {
  await setSignedCookie(c, "signed", "trusted", SECRET, { path: "/" });
  return c.text("signed");
});
cookies.get("/signed", async (c) => c.json({ signed: (await getSignedCookie(c, SECRET, "signed")) ?? null }));
