import { Date, Math, Number, Symbol, TypeError, Uint8Array } from "./primordials.js";
import { bytesOf, concat, copyOf, finish, need } from "./bytes.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";
import { streamOf } from "./streams.js";
import { usv } from "./search_params.js";

let internals;
const KEY = {};

const typeOf = (type) => (/[^\x20-\x7e]/.test(type) ? "" : type.toLowerCase());

function partBytes(part, native) {
  const bytes = bytesOf(part);
  if (bytes) return copyOf(bytes);
  if (internals.is(part)) return internals.bytes(part);
  const text = usv(part);
  return encodeUtf8(native ? text.replace(/\r\n|\r|\n/g, "\n") : text);
}

function build(parts, options) {
  if (
    (typeof parts !== "object" && typeof parts !== "function") ||
    parts === null ||
    typeof parts[Symbol.iterator] !== "function"
  ) {
    throw new TypeError("Blob: the parts must be a sequence");
  }
  const items = [...parts];
  if (options !== undefined && options !== null && typeof options !== "object" && typeof options !== "function") {
    throw new TypeError("Blob: options is not an object");
  }
  const endings = options?.endings === undefined ? "transparent" : `${options.endings}`;
  if (endings !== "transparent" && endings !== "native")
    throw new TypeError('Blob: endings must be "transparent" or "native"');
  const chunks = items.map((part) => partBytes(part, endings === "native"));
  return {
    bytes: concat(chunks.length ? chunks : [new Uint8Array(0)]),
    type: options?.type === undefined ? "" : typeOf(`${options.type}`),
  };
}

/** Bytes that cannot change, perhaps not yet fetched: `source` is {bytes} or {size, load}. */
export class Blob {
  #source;
  #type;

  static {
    internals = {
      is: (value) => typeof value === "object" && value !== null && #source in value,
      bytes(blob) {
        const source = blob.#source;
        source.bytes ??= source.load();
        return source.bytes;
      },
    };
  }

  constructor(parts = [], options = undefined) {
    if (parts === KEY) {
      this.#source = options.source;
      this.#type = options.type;
      return;
    }
    const { bytes, type } = build(parts, options);
    this.#source = { bytes };
    this.#type = type;
  }

  get size() {
    return this.#source.bytes ? this.#source.bytes.length : this.#source.size;
  }
  get type() {
    return this.#type;
  }

  slice(start = 0, end = this.size, type = "") {
    const { size } = this;
    const from = clamp(start, size);
    const to = Math.max(from, clamp(end, size));
    const source = { size: to - from, load: () => internals.bytes(this).subarray(from, to) };
    return new Blob(KEY, { source, type: typeOf(`${type}`) });
  }

  stream() {
    return streamOf(() => internals.bytes(this));
  }
  async text() {
    return decodeUtf8(internals.bytes(this));
  }
  async bytes() {
    return copyOf(internals.bytes(this));
  }
  async arrayBuffer() {
    return copyOf(internals.bytes(this)).buffer;
  }
}

function clamp(value, size) {
  const number = Math.trunc(Number(value)) || 0;
  return number < 0 ? Math.max(size + number, 0) : Math.min(number, size);
}

export class File extends Blob {
  #name;
  #modified;

  constructor(parts, name, options = undefined) {
    if (parts === KEY) {
      super(KEY, name);
      this.#name = name.name;
      this.#modified = name.modified;
      return;
    }
    need(arguments.length, 2, "File");
    super(parts, options);
    this.#name = usv(name);
    this.#modified = options?.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
  }

  get name() {
    return this.#name;
  }
  get lastModified() {
    return this.#modified;
  }
  get webkitRelativePath() {
    return "";
  }
}

export const isBlob = internals.is;
export const blobBytes = internals.bytes;

/** A file whose bytes are fetched by `load` when somebody looks at them. */
export function lazyFile(name, type, size, load, modified = Date.now()) {
  return new File(KEY, { name, modified, type: typeOf(type), source: { size, load } });
}

export const blobWith = (bytes, type) => new Blob(KEY, { type, source: { bytes } });
export const fileWith = (blob, name, modified) =>
  lazyFile(name, blob.type, blob.size, () => internals.bytes(blob), modified);

finish(Blob, "Blob");
finish(File, "File");
