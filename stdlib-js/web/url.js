import { Object, TypeError } from "./primordials.js";
import { finish, need } from "./bytes.js";
import { originOf, parse, pathOf, serialize } from "./url_parse.js";
import { setHash, setHost, setPassword, setPathname, setPort, setProtocol, setSearch, setUsername } from "./url_set.js";
import { searchParams, usv } from "./search_params.js";

function resolve(input, base) {
  if (base === undefined) return parse(input);
  const parsed = parse(base);
  return parsed && parse(input, parsed);
}

function invalid(input) {
  const error = new TypeError("Invalid URL");
  Object.defineProperties(error, {
    code: { value: "ERR_INVALID_URL", writable: true, enumerable: true, configurable: true },
    input: { value: input, writable: true, enumerable: true, configurable: true },
  });
  return error;
}

export class URL {
  #url;
  #params = null;

  constructor(input, base = undefined) {
    need(arguments.length, 1, "URL");
    const text = usv(input);
    const url = resolve(text, base === undefined ? undefined : usv(base));
    if (!url) throw invalid(text);
    this.#url = url;
  }

  static canParse(input, base = undefined) {
    need(arguments.length, 1, "URL.canParse");
    return resolve(usv(input), base === undefined ? undefined : usv(base)) !== null;
  }

  static parse(input, base = undefined) {
    need(arguments.length, 1, "URL.parse");
    const text = usv(input);
    const under = base === undefined ? undefined : usv(base);
    return resolve(text, under) ? new URL(text, under) : null;
  }

  get href() {
    return serialize(this.#url);
  }
  set href(value) {
    const text = usv(value);
    const url = parse(text);
    if (!url) throw invalid(text);
    this.#url = url;
    this.#refresh();
  }

  get origin() {
    return originOf(this.#url);
  }
  get protocol() {
    return this.#url.protocol;
  }
  set protocol(value) {
    setProtocol(this.#url, usv(value));
  }
  get username() {
    return this.#url.username;
  }
  set username(value) {
    setUsername(this.#url, usv(value));
  }
  get password() {
    return this.#url.password;
  }
  set password(value) {
    setPassword(this.#url, usv(value));
  }
  get host() {
    return this.#url.port === null ? this.hostname : `${this.#url.host}:${this.#url.port}`;
  }
  set host(value) {
    setHost(this.#url, usv(value), true);
  }
  get hostname() {
    return this.#url.host ?? "";
  }
  set hostname(value) {
    setHost(this.#url, usv(value), false);
  }
  get port() {
    return this.#url.port === null ? "" : `${this.#url.port}`;
  }
  set port(value) {
    setPort(this.#url, usv(value));
  }
  get pathname() {
    return pathOf(this.#url);
  }
  set pathname(value) {
    setPathname(this.#url, usv(value));
  }
  get search() {
    return this.#url.query ? `?${this.#url.query}` : "";
  }
  set search(value) {
    setSearch(this.#url, usv(value));
    this.#refresh();
  }

  get searchParams() {
    this.#params ??= searchParams.bind(this.#url.query ?? "", (query) => {
      this.#url.query = query === "" ? null : query;
    });
    return this.#params;
  }

  get hash() {
    return this.#url.fragment ? `#${this.#url.fragment}` : "";
  }
  set hash(value) {
    setHash(this.#url, usv(value));
  }
  toString() {
    return serialize(this.#url);
  }
  toJSON() {
    return serialize(this.#url);
  }

  #refresh() {
    if (this.#params) searchParams.reset(this.#params, this.#url.query ?? "");
  }
}

finish(URL, "URL");
