// How an app's code is called: a web handler, a module's function, or a script that runs whole.

import { asked as ask } from "./bridge.js";
import { faulty } from "./errors.js";
import { answer, failed, load, maybe, wait } from "./invocation.js";
import { factory, Modules } from "./modules.js";
import { closed } from "./objects.js";
import { say } from "./outbox.js";
import { heard } from "./promises.js";
import { JSON, Object, Promise, Response } from "./primordials.js";
import { PlainRequest } from "./request.js";
import { Builder, respond } from "./respond.js";
import { deliver, isDescriptor } from "./response.js";
import { bad } from "./headers.js";
import { send } from "./web_response.js";
import { webRequest } from "./web_request.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
let entry;
let env;
let modules;
let handle;

/** `I`: evaluate the entry with nobody asking. */
export function open(facts) {
  env = Object.freeze({ ...facts.env });
  modules = new Modules();
  load(true);
  try {
    entry = ask("resolve", JSON.stringify(["", facts.entry]));
    entry.style = facts.style ?? entry.style;
    if (entry.style === "script") {
      factory(entry.path);
      return opened(() => script(entry.path));
    }
    const module = modules.module(entry.path);
    const done = modules.run(module);
    const found = () => opened(() => handlerOf(module.exports, entry.style));
    if (isPromise(done)) heard(done, found, (error) => failed(error));
    else found();
  } catch (error) {
    failed(error);
  }
}

function opened(find) {
  try {
    handle = find();
  } catch (error) {
    return failed(error);
  }
  load(false);
  say("G");
}

/** `S`: one invocation. */
export function serve(invocation) {
  try {
    const { handler } = invocation.asked;
    const value = (handler ? named(handler) : handle)(invocation);
    if (isPromise(value)) heard(value, (result) => settle(invocation, result), (error) => wrong(invocation, error));
    else settle(invocation, value);
  } catch (error) {
    wrong(invocation, error);
  }
}

const wrong = (invocation, error) => failed(error, kindOf(error), invocation);


const kindOf = (error) => {
  try {
    return error?.code === "INVALID_RESPONSE" ? "response" : "handler";
  } catch {
    return "handler";
  }
};

function settle(invocation, value) {
  if (invocation.answered || invocation !== maybe()) return;
  try {
    if (invocation.web) web(invocation, value);
    else plain(invocation, value);
  } catch (error) {
    wrong(invocation, error);
  }
}

function web(invocation, value) {
  if (value instanceof Response) return send(invocation, value);
  // run by hand, it answers nobody: what it gives back is wanted
  if (invocation.asked.trigger === "run") return answer(invocation, `V${returned(value)}`);
  const kind = value === null ? "null" : value === undefined ? "nothing" : `a value of type ${typeof value}`;
  throw bad(`The handler has to return a Response; it returned ${kind}.`, "Return Response.json(value).");
}

function plain(invocation, value) {
  const { recorded } = invocation;
  const result = recorded !== undefined && (invocation.script || value === undefined) ? recorded : value;
  const answers = result === recorded || result instanceof Response || isDescriptor(result);
  if (invocation.asked.trigger !== "run" || (answers && result !== undefined)) return deliver(invocation, result);
  return answer(invocation, `V${returned(result)}`);
}

function returned(value) {
  let json;
  try {
    json = JSON.stringify(value === undefined ? null : value);
  } catch {
    json = undefined;
  }
  if (json === undefined) throw bad("The returned value cannot be written as JSON.");
  return json;
}

const isPromise = (value) => value instanceof Promise;

function named(path) {
  const found = ask("resolve", JSON.stringify(["api/", `./${path.replace(/^(\.\/|api\/)/, "")}`]));
  return found.style === "script" ? script(found.path) : handlerOf(modules.exports(found), found.style);
}

function script(path) {
  return (invocation) => {
    invocation.script = true;
    const fresh = new Modules();
    const module = fresh.module(path);
    const value = awaited(fresh.run(module, plainRequest(invocation), respond, new Builder()));
    // a way of exporting the parser did not recognise
    return typeof module.exports === "function" ? awaited(module.exports(plainRequest(invocation))) : value;
  };
}

export function plainRequest(invocation) {
  invocation.plain ??= new PlainRequest(invocation.asked);
  return invocation.plain;
}

function handlerOf(exports, style) {
  const chosen = exports?.default ?? exports;
  // looked up at each call: frameworks set it late
  if (typeof chosen?.fetch === "function") return asWeb((request, context) => chosen.fetch(request, env, context));
  if (typeof exports === "function" && style !== "fetch") return asModule(exports);
  if (typeof chosen === "function") return style === "fetch" ? asWeb(bound(chosen)) : asModule(chosen);
  if (typeof exports?.handler === "function") return asModule(exports.handler);
  if (METHODS.some((method) => typeof exports?.[method] === "function")) return asWeb(byMethod(exports));
  throw faulty(
    "HANDLER_ERROR",
    "The code exports no handler.",
    "Write `export default { fetch(request) { … } }` or `module.exports = function (request) { … }`.",
  );
}

const asModule = (handler) => (invocation) => awaited(handler(plainRequest(invocation)));

const asWeb = (handler) => (invocation) => {
  invocation.web = true;
  return awaited(handler(webRequest(invocation), new Context(invocation)));
};

const bound = (handler) => (request, context) => handler(request, env, context);

function byMethod(exports) {
  return (request, context) => {
    const { method } = request;
    const handler = exports[method] ?? (method === "HEAD" ? exports.GET : undefined);
    if (typeof handler === "function") return handler(request, env, context);
    const allow = METHODS.filter((name) => typeof exports[name] === "function").join(", ");
    return new Response(null, { status: method === "OPTIONS" ? 204 : 405, headers: { allow } });
  };
}

/** A thenable of a library is as good as a Promise; looking at it must not cost a plain value anything. */
function awaited(value) {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Promise || value instanceof Response) return value;
  return typeof value.then === "function" ? Promise.resolve(value) : value;
}

class Context {
  #invocation;

  constructor(invocation) {
    this.#invocation = invocation;
  }

  waitUntil(promise) {
    wait(this.#invocation, promise);
  }

  // there is nothing behind the app that could answer instead
  passThroughOnException() {}
}
closed(Context, "Context");
