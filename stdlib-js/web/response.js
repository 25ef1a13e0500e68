import { JSON, Number, RangeError, TypeError } from "./primordials.js";
import { finish, need } from "./bytes.js";
import { bodies, Body, extract } from "./body.js";
import { Headers, headers } from "./headers.js";
import { parse, serialize } from "./url_parse.js";
import { usv } from "./search_params.js";

const BARE = {};
const PLAIN = "text/plain;charset=UTF-8";
// Where a response came from; nearly all are made here.
const HERE = { type: "default", url: "", redirected: false };
const isNullBody = (status) => status === 204 || status === 205 || status === 304 || status === 101;
const badReason = /[^\t\x20-\x7e\x80-\xff]/;

function statusOf(value) {
  if (value === undefined) return 200;
  const status = Number(value) & 0xffff;
  if (status < 200 || status > 599) throw new RangeError("Response: the status must be between 200 and 599");
  return status;
}

function isObject(value) {
  return (typeof value === "object" || typeof value === "function") && value !== null;
}

export class Response extends Body {
  #status = 200;
  #statusText = "";
  // null until somebody asks: most have no other header than the type of their body
  #headers = null;
  #type = null;
  #origin = HERE;

  constructor(body = null, init = undefined) {
    super();
    if (body === BARE) return;
    if (typeof body === "string" && init === undefined) {
      this.#simple(body, PLAIN);
      return;
    }
    if (init !== undefined && init !== null && !isObject(init)) throw new TypeError("Response: init must be an object");
    const source = extract(body);
    this.#begin(init, source, source?.type);
  }

  #begin(init, source, type) {
    let list;
    if (init !== undefined && init !== null) {
      list = init.headers;
      this.#status = statusOf(init.status);
      const { statusText } = init;
      if (statusText !== undefined) {
        this.#statusText = `${statusText}`;
        if (badReason.test(this.#statusText)) throw new TypeError("Response: invalid statusText");
      }
    }
    this.#headers = new Headers(list);
    if (!source) return;
    if (isNullBody(this.#status))
      throw new TypeError(`Response: a response with status ${this.#status} cannot have a body`);
    bodies.give(this, source);
    if (type && headers.peek(this.#headers, "content-type") === undefined)
      headers.put(this.#headers, "content-type", type);
  }

  #simple(text, type) {
    this.#type = type;
    bodies.give(this, { kind: "text", value: text, type });
  }

  static json(data, init = undefined) {
    need(arguments.length, 1, "Response.json");
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Response.json: the value is not JSON serializable");
    if (init === undefined) {
      const response = new Response(BARE);
      response.#simple(text, "application/json");
      return response;
    }
    if (init !== undefined && init !== null && !isObject(init)) throw new TypeError("Response: init must be an object");
    const response = new Response(BARE);
    response.#begin(init, { kind: "text", value: text, type: "application/json" }, "application/json");
    return response;
  }

  static redirect(url, status = 302) {
    need(arguments.length, 1, "Response.redirect");
    const target = parse(usv(url));
    if (!target) throw new TypeError("Response.redirect: not a URL");
    const code = Number(status) & 0xffff;
    if (![301, 302, 303, 307, 308].includes(code)) throw new RangeError("Response.redirect: not a redirect status");
    const response = new Response(BARE);
    response.#status = code;
    response.#headers = headers.lock(headers.from([["location", serialize(target)]]));
    return response;
  }

  static error() {
    const response = new Response(BARE);
    response.#status = 0;
    response.#origin = { ...HERE, type: "error" };
    response.#headers = headers.lock(new Headers());
    return response;
  }

  static {
    /** A response that came from somewhere: `url`, `redirected` and a frozen list of headers. */
    Response.arrived = ({ status, statusText = "", pairs, url = "", redirected = false, source = null }) => {
      const response = new Response(BARE);
      response.#status = status;
      response.#statusText = statusText;
      response.#headers = headers.lock(headers.from(pairs));
      response.#origin = { type: "basic", url: url.split("#", 1)[0], redirected };
      if (source) bodies.give(response, source);
      return response;
    };
    /** Its headers as they leave; where they are nothing but a type, no Headers is made. */
    Response.wire = (response) => {
      if (response.#headers !== null) return headers.wire(response.#headers);
      return response.#type === null ? [] : [["content-type", response.#type]];
    };
  }

  get type() {
    return this.#origin.type;
  }
  get url() {
    return this.#origin.url;
  }
  get redirected() {
    return this.#origin.redirected;
  }
  get status() {
    return this.#status;
  }
  get ok() {
    return this.#status >= 200 && this.#status < 300;
  }
  get statusText() {
    return this.#statusText;
  }
  get headers() {
    this.#headers ??= this.#type === null ? new Headers() : headers.from([["content-type", this.#type]]);
    return this.#headers;
  }

  clone() {
    const source = bodies.tee(this);
    const copy = new Response(BARE);
    copy.#status = this.#status;
    copy.#statusText = this.#statusText;
    copy.#headers = headers.copy(this.headers);
    copy.#origin = this.#origin;
    if (source) bodies.give(copy, source);
    return copy;
  }
}

export const { arrived, wire } = Response;
delete Response.arrived;
delete Response.wire;
finish(Response, "Response");
