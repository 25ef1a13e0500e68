// `respond()` and the `response` builder of scripts: they record, the end of the script answers.

import { host } from "./bridge.js";
import { bad } from "./headers.js";
import { active } from "./invocation.js";
import { closed } from "./objects.js";
import { isDescriptor } from "./response.js";
import { Number } from "./primordials.js";

/** `respond(body)`, `respond(status)`, `respond(status, body, headers?)`. The first call wins. */
export function respond(...given) {
  return record(descriptor(given));
}

function descriptor(given) {
  const [first, second, headers] = given;
  if (given.length === 1 && typeof first === "number") return { status: checked(first) };
  if (given.length < 2) return isDescriptor(first) ? first : { status: 200, body: first };
  if (typeof first !== "number") throw bad("respond: the first of two arguments is the status.");
  const made = { status: checked(first), body: second };
  if (headers !== undefined) made.headers = headers;
  return made;
}

function checked(status) {
  if (!Number.isInteger(status)) throw bad("respond: the status has to be a whole number.");
  return status;
}

function record(made) {
  const invocation = active("respond()");
  if (invocation.recorded !== undefined) {
    if (!invocation.warned) host("log", "warn", "respond() was called again: the first call is the response.");
    invocation.warned = true;
  } else {
    invocation.recorded = made;
  }
  return made;
}

/** `response.status(201).header("x-id", "7").json({…})` */
export class Builder {
  #status = 200;
  #headers = [];
  #cookies = {};

  status(status) {
    this.#status = checked(status);
    return this;
  }

  header(name, value) {
    this.#headers.push([name, value]);
    return this;
  }

  cookie(name, value, options) {
    this.#cookies[name] = options === undefined ? value : { ...options, value };
    return this;
  }

  json = (json) => this.#end({ json: json ?? null });
  text = (text) => this.#end({ text: text ?? "" });
  html = (html) => this.#end({ html: html ?? "" });
  send = (body) => this.#end(body === undefined ? {} : { body });

  redirect(url, status = 302) {
    this.#status = checked(status);
    return this.#end({ redirect: url });
  }

  #end(content) {
    return record({ status: this.#status, headers: this.#headers, cookies: this.#cookies, ...content });
  }
}
closed(Builder, "Builder");
