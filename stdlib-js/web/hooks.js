// What the driver gets beside the public classes, as the temporary global `__web` (it takes it and deletes it):
//
//   bodyOf(response | request) → null | {text, type} | {bytes, type} | {stream, type}
//       The body as it is cheapest to send, taken over: bodyUsed is true afterwards. TypeError when it has been read.
//       `type` is what the standard says of such a body; the content-type header has it already.
//   headersList(headers) → [[name, value]…]   lower-case names in the order they were set, every set-cookie on its own
//   makeRequest({method, url, headers, body, form, signal}) → Request
//       url: string or () => string; headers: [[name, value]…] or a function of it, lower-case names, immutable afterwards;
//       body: null | {bytes: () => Uint8Array} | {stream: () => ReadableStream}, asked for when it is first read;
//       form: () => FormData or a promise of it, used by formData() instead of the bytes; signal: AbortSignal or () => AbortSignal
//   bareRequest(method, url, headers, signal) → Request without a body; the same arguments
//   wireOf(response) → its headers as headersList gives them, at less cost
//   makeResponse({status, statusText, headers, url, redirected, body}) → Response with immutable headers (body as above)
//   makeFile({name, type, size, bytes, lastModified}) → File; bytes: () => Uint8Array, asked for when it is first read
//   abort(signal, reason)   aborts a signal of makeSignal() → AbortSignal
//   decode(bytes) / encode(text)   UTF-8
import { Uint8Array } from "./primordials.js";
import { lazyFile } from "./blob.js";
import { bodies } from "./body.js";
import { headers } from "./headers.js";
import { requests } from "./request.js";
import { arrived, wire } from "./response.js";
import { signals } from "./abort.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

function sourceOf(body, form) {
  if (!body) return form ? { kind: "lazy", value: () => new Uint8Array(0), type: null, form } : null;
  if (body.bytes) return { kind: "lazy", value: body.bytes, type: null, form };
  return { kind: "open", value: body.stream, type: null, form };
}

function bodyOf(holder) {
  const source = bodies.take(holder);
  if (!source) return null;
  const { kind, value, type } = source;
  if (kind === "text") return { text: value.toWellFormed(), type };
  if (kind === "bytes") return { bytes: value, type };
  if (kind === "lazy") return { bytes: value(), type };
  return { stream: kind === "open" ? value() : value, type };
}

export const hooks = {
  bodyOf,
  headersList: headers.wire,
  wireOf: wire,
  bareRequest: requests.bare,
  makeRequest({ method, url, headers: pairs, body = null, form = undefined, signal = null }) {
    return requests.arrived({ method, url, headers: pairs, source: sourceOf(body, form), signal });
  },
  makeResponse({ status, statusText, headers: pairs, url, redirected, body = null }) {
    return arrived({ status, statusText, pairs, url, redirected, source: sourceOf(body) });
  },
  makeFile({ name, type, size, bytes, lastModified }) {
    return lazyFile(name, type, size, bytes, lastModified);
  },
  makeSignal: signals.make,
  abort: signals.abort,
  decode: decodeUtf8,
  encode: encodeUtf8,
};
