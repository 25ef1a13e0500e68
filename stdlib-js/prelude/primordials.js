// The globals the driver uses, taken once: an app that replaces one of them later breaks only itself.
export const {
  Array, ArrayBuffer, Boolean, DOMException, DataView, Date, Error, FormData, Iterator, JSON, Map, Math, Number, Object, Promise,
  ReadableStream, Reflect, RegExp, Response, Set, String, Symbol, TypeError, URL, URLSearchParams, Uint32Array,
  TextDecoder, Uint8Array, WeakMap, WeakSet, btoa, decodeURIComponent, encodeURI, encodeURIComponent,
} = globalThis;
