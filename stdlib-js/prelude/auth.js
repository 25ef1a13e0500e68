// `fazt.auth`: who is asking, by the host's word for this request.

import { Interrupt, invalid } from "./errors.js";
import { active } from "./invocation.js";
import { pages } from "./facts.js";
import { lines } from "./headers.js";
import { JSON, Object, Response, encodeURIComponent } from "./primordials.js";

const user = () => active("The user").asked.user ?? null;

function has(role) {
  const who = user();
  if (who === null) return false;
  if (role === "user") return true;
  return who.role === role || (role === "admin" && who.role === "owner");
}

function login(redirect = "/") {
  active("The login page");
  return withReturn(pages().login, redirect, "fazt.auth.getLoginURL");
}

function withReturn(page, redirect, name) {
  if (typeof redirect !== "string") throw invalid(`${name}: the address to come back to has to be a string.`);
  const url = typeof page === "string" ? page : "/";
  return `${url}${url.includes("?") ? "&" : "?"}redirect=${encodeURIComponent(redirect)}`;
}

function requireLogin() {
  const who = user();
  if (who !== null) return who;
  const { asked } = active();
  const message = "Sign in first.";
  const html = (asked.method === "GET" || asked.method === "HEAD") && accepts(asked.headers);
  throw html ? redirecting(asked, message) : refusing(401, "UNAUTHORIZED", message);
}

function accepts(headers) {
  return headers.some(([name, value]) => name === "accept" && /(^|[\s,])text\/html\b/i.test(value));
}

function redirecting(asked, message) {
  const from = asked.url.indexOf("/", asked.url.indexOf("//") + 2);
  const back = from < 0 ? "/" : asked.url.slice(from);
  return interrupt(message, "UNAUTHORIZED", 307, [["location", login(back)], ["cache-control", "no-store"]], "");
}

function refusing(status, code, message) {
  const body = JSON.stringify({ error: message, code });
  return interrupt(message, code, status, [["content-type", "application/json; charset=utf-8"]], body);
}

function interrupt(message, code, status, headers, body) {
  const error = new Interrupt(message, code, `D${status} ${lines(headers)}\n${body}`);
  Object.defineProperties(error, {
    status: { value: status },
    // frameworks that catch everything answer with this instead of their own page
    getResponse: { value: () => new Response(body, { status, headers }) },
  });
  return error;
}

function requireRole(...roles) {
  const wanted = roles.flat();
  if (wanted.length === 0 || !wanted.every((role) => typeof role === "string")) {
    throw invalid("fazt.auth.requireRole: name a role.");
  }
  const who = requireLogin();
  if (wanted.some(has)) return who;
  throw refusing(403, "FORBIDDEN", `This needs the role ${wanted.join(" or ")}.`);
}

export const auth = {
  getUser: user,
  isLoggedIn: () => user() !== null,
  isOwner: () => has("owner"),
  isAdmin: () => has("admin"),
  hasRole(role) {
    if (typeof role !== "string") throw invalid("fazt.auth.hasRole: name a role.");
    return has(role);
  },
  requireLogin,
  requireRole,
  requireAdmin: () => requireRole("admin"),
  requireOwner: () => requireRole("owner"),
  getLoginURL: (redirect) => login(redirect),
  getLogoutURL(redirect) {
    active("The logout page");
    const { logout } = pages();
    return redirect === undefined ? (logout ?? "/") : withReturn(logout, redirect, "fazt.auth.getLogoutURL");
  },
};
