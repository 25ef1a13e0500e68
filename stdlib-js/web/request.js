import { TypeError } from "./primordials.js";
import { finish, need } from "./bytes.js";
import { bodies, Body, extract } from "./body.js";
import { Headers, headers } from "./headers.js";
import { AbortController, signals } from "./abort.js";
import { parse, serialize } from "./url_parse.js";
import { usv } from "./search_params.js";

const BARE = {};
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const STANDARD = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
const CHOICES = {
  mode: ["cors", "no-cors", "same-origin"],
  credentials: ["same-origin", "omit", "include"],
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  redirect: ["follow", "error", "manual"],
  referrerPolicy: [
    "",
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
  ],
};
const DEFAULTS = {
  mode: "cors",
  credentials: "same-origin",
  cache: "default",
  redirect: "follow",
  referrerPolicy: "",
  referrer: "about:client",
  integrity: "",
  keepalive: false,
};

function methodOf(value) {
  const method = `${value}`;
  if (!METHOD.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`);
  const upper = method.toUpperCase();
  if (upper === "CONNECT" || upper === "TRACE" || upper === "TRACK")
    throw new TypeError(`'${method}' HTTP method is unsupported.`);
  return STANDARD.includes(upper) ? upper : method;
}

function optionsOf(init, before) {
  const options = { ...before };
  for (const name in CHOICES) {
    const value = init[name];
    if (value === undefined) continue;
    if (name === "mode" && `${value}` === "navigate") throw new TypeError("Request: the mode cannot be navigate");
    if (!CHOICES[name].includes(`${value}`)) throw new TypeError(`Request: ${value} is not a possible ${name}`);
    options[name] = `${value}`;
  }
  if (init.referrer !== undefined) options.referrer = referrerOf(`${init.referrer}`);
  if (init.integrity !== undefined) options.integrity = `${init.integrity}`;
  if (init.keepalive !== undefined) options.keepalive = !!init.keepalive;
  if (init.window !== undefined && init.window !== null) throw new TypeError("Request: window can only be null");
  if (options.cache === "only-if-cached" && options.mode !== "same-origin")
    throw new TypeError("'only-if-cached' needs mode 'same-origin'");
  return options;
}

function referrerOf(text) {
  if (text === "") return "";
  const url = parse(text);
  if (!url) throw new TypeError(`Referrer "${text}" is not a valid URL.`);
  // There is no page this comes from, so another origin than ours is the only case.
  return "about:client";
}

function targetOf(input) {
  const text = usv(input);
  const url = parse(text);
  if (!url) throw new TypeError(`Failed to parse URL from ${text}`);
  if (url.username || url.password)
    throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${text}`);
  return serialize(url);
}

let internals;

export class Request extends Body {
  #method = "GET";
  #url = "";
  #headers = null;
  #signal = null;
  #options = DEFAULTS;
  #pairs = null;

  static {
    internals = {
      is: (value) => typeof value === "object" && value !== null && #pairs in value,
      arrived({ method, url, headers: pairs, source, signal }) {
        const request = new Request(BARE);
        request.#method = method;
        request.#url = url;
        request.#pairs = pairs;
        request.#signal = signal;
        if (source) bodies.give(request, source);
        return request;
      },
      /** One without a body. */
      bare(method, url, pairs, signal) {
        const request = new Request(BARE);
        request.#method = method;
        request.#url = url;
        request.#pairs = pairs;
        request.#signal = signal;
        return request;
      },
    };
  }

  constructor(input, init = undefined) {
    super();
    if (input === BARE) return;
    need(arguments.length, 1, "Request");
    if (init !== undefined && init !== null && typeof init !== "object" && typeof init !== "function")
      throw new TypeError("Request: init must be an object");
    const options = init ?? {};
    const from = internals.is(input) ? input : null;
    this.#url = from ? from.url : targetOf(input);
    this.#options = optionsOf(options, from ? from.#options : DEFAULTS);
    this.#method = options.method !== undefined ? methodOf(options.method) : from ? from.#method : "GET";
    this.#headers =
      options.headers !== undefined ? new Headers(options.headers) : from ? headers.copy(from.headers) : new Headers();
    this.#follow(options.signal === undefined ? from?.signal : options.signal);
    this.#setBody(options, from);
  }

  #follow(signal) {
    if (signal === undefined || signal === null) return;
    if (!signals.is(signal)) throw new TypeError("Request: signal is not an AbortSignal");
    this.#signal = signals.follow([signal]);
  }

  #setBody(init, from) {
    const bare = this.#method === "GET" || this.#method === "HEAD";
    const inherited = from && (init.body === undefined || init.body === null) ? bodies.source(from) : null;
    if (bare && ((init.body !== undefined && init.body !== null) || inherited)) {
      throw new TypeError("Request with GET/HEAD method cannot have body.");
    }
    const source = extract(init.body ?? null);
    if (source) {
      if (init.duplex !== undefined && init.duplex !== "half")
        throw new TypeError("Request: duplex can only be 'half'");
      if (source.kind === "stream" && init.duplex === undefined)
        throw new TypeError("RequestInit: duplex option is required when sending a body.");
      if (source.type && headers.peek(this.#headers, "content-type") === undefined)
        headers.put(this.#headers, "content-type", source.type);
      bodies.give(this, source);
    } else if (inherited) bodies.give(this, bodies.take(from));
  }

  get method() {
    return this.#method;
  }
  get url() {
    if (typeof this.#url === "function") this.#url = this.#url();
    return this.#url;
  }
  get headers() {
    this.#headers ??= headers.lock(headers.from(typeof this.#pairs === "function" ? this.#pairs() : this.#pairs));
    return this.#headers;
  }
  get signal() {
    if (typeof this.#signal === "function") this.#signal = this.#signal();
    this.#signal ??= new AbortController().signal;
    return this.#signal;
  }
  get destination() {
    return "";
  }
  get duplex() {
    return "half";
  }
  get mode() {
    return this.#options.mode;
  }
  get credentials() {
    return this.#options.credentials;
  }
  get cache() {
    return this.#options.cache;
  }
  get redirect() {
    return this.#options.redirect;
  }
  get referrer() {
    return this.#options.referrer;
  }
  get referrerPolicy() {
    return this.#options.referrerPolicy;
  }
  get integrity() {
    return this.#options.integrity;
  }
  get keepalive() {
    return this.#options.keepalive;
  }
  get isReloadNavigation() {
    return false;
  }
  get isHistoryNavigation() {
    return false;
  }

  clone() {
    const source = bodies.tee(this);
    const copy = new Request(BARE);
    copy.#method = this.#method;
    copy.#url = this.url;
    copy.#options = this.#options;
    copy.#headers = headers.copy(this.headers);
    copy.#signal = signals.follow([this.signal]);
    if (source) bodies.give(copy, source);
    return copy;
  }
}

export const requests = internals;
finish(Request, "Request");
