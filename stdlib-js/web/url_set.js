// The setters of URL: each changes one part, or nothing when the text will not do.
import { Number } from "./primordials.js";
import { encodeFragment, encodeUserinfo } from "./percent.js";
import { encodedQuery, isSpecial, portColon, PORTS, startPath } from "./url_parse.js";
import { parseHost } from "./host.js";

const bare = (text) => text.replace(/[\t\n\r]/g, "");
const noAuthority = (url) => url.host === null || url.host === "" || url.protocol === "file:";
const isOpaque = (url) => typeof url.path === "string";

export function setProtocol(url, text) {
  const match = /^[A-Za-z][A-Za-z0-9+.-]*(?=:)/.exec(`${bare(text)}:`);
  if (!match) return;
  const protocol = `${match[0].toLowerCase()}:`;
  if (isSpecial(url) !== protocol in PORTS) return;
  if (protocol === "file:" && (url.username || url.password || url.port !== null)) return;
  if (url.protocol === "file:" && url.host === "") return;
  url.protocol = protocol;
  if (url.port === PORTS[protocol]) url.port = null;
}

export function setUsername(url, text) {
  if (!noAuthority(url)) url.username = encodeUserinfo(text);
}

export function setPassword(url, text) {
  if (!noAuthority(url)) url.password = encodeUserinfo(text);
}

export function setHost(url, text, withPort) {
  if (isOpaque(url)) return;
  const clean = bare(text);
  const end = clean.search(isSpecial(url) ? /[/\\?#]/ : /[/?#]/);
  let host = end < 0 ? clean : clean.slice(0, end);
  if (url.protocol === "file:") {
    const parsed = host === "" ? "" : parseHost(host, false);
    if (parsed !== null) url.host = parsed === "localhost" ? "" : parsed;
    return;
  }
  const colon = portColon(host);
  let port = null;
  if (colon >= 0) {
    if (colon === 0 || !withPort) return;
    port = host.slice(colon + 1);
    host = host.slice(0, colon);
  }
  if (host === "" && (isSpecial(url) || url.username || url.password || url.port !== null)) return;
  const parsed = host === "" ? "" : parseHost(host, !isSpecial(url));
  if (parsed === null) return;
  url.host = parsed;
  if (port !== null) usePort(url, port);
}

function usePort(url, text) {
  const digits = /^\d+/.exec(text);
  if (!digits || Number(digits[0]) > 65535) return;
  const port = Number(digits[0]);
  url.port = port === PORTS[url.protocol] ? null : port;
}

export function setPort(url, text) {
  if (noAuthority(url)) return;
  if (text === "") url.port = null;
  else usePort(url, bare(text));
}

export function setPathname(url, text) {
  if (isOpaque(url)) return;
  url.path = [];
  const clean = bare(text);
  startPath(url, clean);
  if (clean === "" && !isSpecial(url) && url.host === null) url.path.push("");
}

export function setSearch(url, text) {
  if (text === "") url.query = null;
  else url.query = encodedQuery(url, bare(text[0] === "?" ? text.slice(1) : text));
}

export function setHash(url, text) {
  if (text === "") url.fragment = null;
  else url.fragment = encodeFragment(bare(text[0] === "#" ? text.slice(1) : text));
}
