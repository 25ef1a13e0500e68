import { Number } from "./primordials.js";
import {
  encodeControl,
  encodeFragment,
  encodePath,
  encodeQuery,
  encodeSpecialQuery,
  encodeUserinfo,
} from "./percent.js";
import { parseHost } from "./host.js";

export const PORTS = { __proto__: null, "http:": 80, "https:": 443, "ws:": 80, "wss:": 443, "ftp:": 21, "file:": null };
export const isSpecial = (url) => url.protocol in PORTS;
const FAST =
  /^(https?:)\/\/([a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)*)(?::(\d{1,5}))?(\/[\w\-~!$&'()*+,;=:@/]*)?(?:\?([\w\-.~!$&()*+,;=:@/?%]*))?$/;
const DRIVE = /^[A-Za-z][:|]$/;
const STARTS_WITH_DRIVE = /^[A-Za-z][:|](?:[/\\]|$)/;

/** A URL as its parts: path is a list of segments, or a string when it is opaque; host null when there is none. */
function blank(protocol) {
  return { protocol, username: "", password: "", host: null, port: null, path: [], query: null, fragment: null };
}

function fast(input) {
  const match = FAST.exec(input);
  if (!match || match[2].includes("xn--")) return null;
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port > 65535) return null;
  const url = blank(match[1]);
  url.host = match[2];
  if (port !== PORTS[match[1]]) url.port = port;
  url.path = match[4] ? match[4].slice(1).split("/") : [""];
  if (match[5] !== undefined) url.query = match[5];
  return url;
}

/** The parsed URL, or null. */
export function parse(text, base = null) {
  const quick = fast(text);
  if (quick) return quick;
  let input = text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "");
  input = input.replace(/[\t\n\r]/g, "");
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(input);
  const parts = split(scheme ? input.slice(scheme[0].length) : input);
  if (!scheme) return withoutScheme(parts, base);
  const url = blank(scheme[0].toLowerCase());
  if (url.protocol === "file:") return finishFile(url, parts, base && base.protocol === "file:" ? base : null);
  if (isSpecial(url)) {
    if (base && base.protocol === url.protocol && !/^\/\//.test(parts.main)) return relative(url, parts, base);
    return authority(url, parts, parts.main.replace(/^[/\\]+/, ""));
  }
  if (parts.main.startsWith("//")) return authority(url, parts, parts.main.slice(2));
  if (parts.main[0] === "/") setPath(url, parts.main.slice(1));
  else url.path = opaquePath(parts);
  return tail(url, parts);
}

function split(rest) {
  const parts = { main: rest, query: null, fragment: null };
  const hash = rest.indexOf("#");
  if (hash >= 0) {
    parts.fragment = rest.slice(hash + 1);
    parts.main = rest.slice(0, hash);
  }
  const mark = parts.main.indexOf("?");
  if (mark >= 0) {
    parts.query = parts.main.slice(mark + 1);
    parts.main = parts.main.slice(0, mark);
  }
  return parts;
}

function opaquePath(parts) {
  const path = encodeControl(parts.main);
  const followed = parts.query !== null || parts.fragment !== null;
  return followed && path.endsWith(" ") ? `${path.slice(0, -1)}%20` : path;
}

export const encodedQuery = (url, query) => (isSpecial(url) ? encodeSpecialQuery(query) : encodeQuery(query));

function tail(url, parts) {
  if (parts.query !== null) url.query = encodedQuery(url, parts.query);
  if (parts.fragment !== null) url.fragment = encodeFragment(parts.fragment);
  return url;
}

function withoutScheme(parts, base) {
  if (!base) return null;
  if (typeof base.path === "string") {
    if (parts.main !== "" || parts.query !== null || parts.fragment === null) return null;
    const url = { ...base };
    return tail(url, parts);
  }
  const url = blank(base.protocol);
  return base.protocol === "file:" ? finishFile(url, parts, base) : relative(url, parts, base);
}

const isSlash = (url, char) => char === "/" || (char === "\\" && isSpecial(url));

function copyAuthority(url, base) {
  url.username = base.username;
  url.password = base.password;
  url.host = base.host;
  url.port = base.port;
}

function relative(url, parts, base) {
  const { main } = parts;
  if (isSlash(url, main[0])) {
    if (isSlash(url, main[1]))
      return authority(url, parts, isSpecial(url) ? main.replace(/^[/\\]+/, "") : main.slice(2));
    copyAuthority(url, base);
    setPath(url, main.slice(1));
    return tail(url, parts);
  }
  copyAuthority(url, base);
  return against(url, parts, base);
}

function against(url, parts, base) {
  url.path = base.path.slice();
  if (parts.main === "") {
    if (parts.query === null) url.query = base.query;
  } else {
    shorten(url);
    setPath(url, parts.main);
  }
  return tail(url, parts);
}

function authority(url, parts, rest) {
  const end = rest.search(isSpecial(url) ? /[/\\]/ : /\//);
  let host = end < 0 ? rest : rest.slice(0, end);
  const at = host.lastIndexOf("@");
  if (at >= 0) {
    const credentials = host.slice(0, at);
    const colon = credentials.indexOf(":");
    url.username = encodeUserinfo(colon < 0 ? credentials : credentials.slice(0, colon));
    url.password = colon < 0 ? "" : encodeUserinfo(credentials.slice(colon + 1));
    host = host.slice(at + 1);
    if (host === "") return null;
  }
  const colon = portColon(host);
  if (colon >= 0) {
    const port = host.slice(colon + 1);
    if (colon === 0 || !/^\d*$/.test(port) || Number(port) > 65535) return null;
    if (port !== "" && Number(port) !== PORTS[url.protocol]) url.port = Number(port);
    host = host.slice(0, colon);
  }
  if (host === "" && isSpecial(url)) return null;
  url.host = host === "" ? "" : parseHost(host, !isSpecial(url));
  if (url.host === null) return null;
  startPath(url, end < 0 ? "" : rest.slice(end));
  return tail(url, parts);
}

/** Where the port begins: the first colon outside brackets. */
export function portColon(text) {
  let inside = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "[") inside = true;
    else if (char === "]") inside = false;
    else if (char === ":" && !inside) return at;
  }
  return -1;
}

/** The "path start state": at most one slash is taken off. */
export function startPath(url, text) {
  if (isSpecial(url)) setPath(url, isSlash(url, text[0]) ? text.slice(1) : text);
  else if (text !== "") setPath(url, text[0] === "/" ? text.slice(1) : text);
}

const isDouble = (segment) => /^(?:\.|%2e){2}$/i.test(segment);
const isSingle = (segment) => /^(?:\.|%2e)$/i.test(segment);

function setPath(url, text) {
  const segments = text.split(isSpecial(url) ? /[/\\]/ : "/");
  const end = segments.length - 1;
  for (let at = 0; at <= end; at++) {
    let segment = segments[at];
    if (isDouble(segment)) {
      shorten(url);
      if (at === end) url.path.push("");
    } else if (isSingle(segment)) {
      if (at === end) url.path.push("");
    } else {
      if (url.protocol === "file:" && url.path.length === 0 && DRIVE.test(segment)) segment = `${segment[0]}:`;
      url.path.push(encodePath(segment));
    }
  }
}

function shorten(url) {
  if (url.protocol === "file:" && url.path.length === 1 && /^[A-Za-z]:$/.test(url.path[0])) return;
  url.path.pop();
}

function finishFile(url, parts, base) {
  const { main } = parts;
  url.host = "";
  if (isSlash(url, main[0])) {
    if (isSlash(url, main[1])) return fileHost(url, parts, main.slice(2));
    if (base) {
      url.host = base.host;
      if (!STARTS_WITH_DRIVE.test(main.slice(1)) && /^[A-Za-z]:$/.test(base.path[0] ?? "")) url.path.push(base.path[0]);
    }
    setPath(url, main.slice(1));
    return tail(url, parts);
  }
  if (!base) {
    setPath(url, main);
    return tail(url, parts);
  }
  url.host = base.host;
  if (!STARTS_WITH_DRIVE.test(main)) return against(url, parts, base);
  setPath(url, main);
  return tail(url, parts);
}

function fileHost(url, parts, rest) {
  const end = rest.search(/[/\\]/);
  const host = end < 0 ? rest : rest.slice(0, end);
  if (DRIVE.test(host)) setPath(url, rest);
  else {
    if (host !== "") url.host = parseHost(host, false);
    if (url.host === null) return null;
    if (url.host === "localhost") url.host = "";
    startPath(url, end < 0 ? "" : rest.slice(end));
  }
  return tail(url, parts);
}

export function pathOf(url) {
  if (typeof url.path === "string") return url.path;
  return url.path.length ? `/${url.path.join("/")}` : "";
}

export function serialize(url, fragment = true) {
  let text = url.protocol;
  if (url.host !== null) {
    text += "//";
    if (url.username || url.password) text += `${url.username}${url.password && `:${url.password}`}@`;
    text += url.host;
    if (url.port !== null) text += `:${url.port}`;
  } else if (typeof url.path !== "string" && url.path.length > 1 && url.path[0] === "") text += "/.";
  text += pathOf(url);
  if (url.query !== null) text += `?${url.query}`;
  if (fragment && url.fragment !== null) text += `#${url.fragment}`;
  return text;
}

export function originOf(url) {
  if (url.protocol === "blob:") {
    const inner = parse(pathOf(url));
    return inner && (inner.protocol === "http:" || inner.protocol === "https:") ? originOf(inner) : "null";
  }
  if (!isSpecial(url) || url.protocol === "file:") return "null";
  return `${url.protocol}//${url.host}${url.port === null ? "" : `:${url.port}`}`;
}
