import { JSON, Promise, TypeError, Uint8Array } from "./primordials.js";
import { bytesOf, concat, copyOf } from "./bytes.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";
import { blobBytes, blobWith, isBlob } from "./blob.js";
import { FormData, isForm } from "./form_data.js";
import { boundaryOf, decodeMultipart, encodeMultipart } from "./multipart.js";
import { parseForm, searchParams } from "./search_params.js";
import { chunksOf, isDisturbed, isStream, streamOf } from "./streams.js";

let internals;

/** {kind, value, type} of what a caller gave as a body; null for no body. */
export function extract(body) {
  if (body === null || body === undefined) return null;
  if (typeof body === "string") return { kind: "text", value: body, type: "text/plain;charset=UTF-8" };
  if (typeof body === "object") {
    if (isStream(body)) {
      if (body.locked || isDisturbed(body)) throw new TypeError("The body is a stream that is locked or has been read");
      return { kind: "stream", value: body, type: null };
    }
    const bytes = bytesOf(body);
    if (bytes) return { kind: "bytes", value: copyOf(bytes), type: null };
    if (isBlob(body)) return { kind: "lazy", value: () => blobBytes(body), type: body.type || null };
    if (isForm(body)) {
      const { boundary, bytes: load } = encodeMultipart(body);
      return { kind: "lazy", value: load, type: `multipart/form-data; boundary=${boundary}` };
    }
    if (searchParams.is(body)) {
      return { kind: "text", value: body.toString(), type: "application/x-www-form-urlencoded;charset=UTF-8" };
    }
  }
  return { kind: "text", value: `${body}`, type: "text/plain;charset=UTF-8" };
}

const settled = (act) => {
  try {
    return Promise.resolve(act());
  } catch (error) {
    return Promise.reject(error);
  }
};

function bytesNow(source) {
  if (source.kind === "text") return encodeUtf8(source.value);
  if (source.kind === "lazy") {
    source.value = source.value();
    source.kind = "bytes";
  }
  return source.value;
}

/** What Request and Response share. A source stays as it was given until somebody asks for it in another form. */
export class Body {
  #source = null;
  #stream = null;
  #used = false;

  static {
    internals = {
      give(holder, source) {
        holder.#source = source;
      },
      source: (holder) => holder.#source,
      unusable: (holder) =>
        holder.#used || (holder.#stream !== null && (holder.#stream.locked || isDisturbed(holder.#stream))),
      use(holder) {
        holder.#used = true;
      },
      /** The source for somebody who takes the body over. */
      take(holder) {
        if (!holder.#source) return null;
        if (internals.unusable(holder)) throw new TypeError("Body is unusable: Body has already been read");
        holder.#used = true;
        return holder.#stream ? { kind: "stream", value: holder.#stream, type: null } : holder.#source;
      },
      /** A second source of the same content. */
      tee(holder) {
        if (internals.unusable(holder)) throw new TypeError("Body is unusable: Body has already been read");
        if (!holder.#source) return null;
        if (!holder.#stream && holder.#source.kind !== "stream" && holder.#source.kind !== "open")
          return { ...holder.#source };
        const [one, two] = internals.stream(holder).tee();
        holder.#stream = one;
        holder.#source = { kind: "stream", value: one, type: holder.#source.type };
        return { kind: "stream", value: two, type: holder.#source.type };
      },
      stream(holder) {
        const source = holder.#source;
        if (!source) return null;
        if (!holder.#stream) {
          if (source.kind === "open") holder.#stream = source.value();
          else holder.#stream = source.kind === "stream" ? source.value : streamOf(() => bytesNow(source));
          // Read in one go before anybody asked for a stream: what there is now has been read, too.
          if (holder.#used) holder.#stream.getReader().cancel();
        }
        return holder.#stream;
      },
    };
  }

  get body() {
    return internals.stream(this);
  }

  get bodyUsed() {
    if (!this.#source) return false;
    return this.#used || (this.#stream !== null && isDisturbed(this.#stream));
  }

  #read(fromText, fromBytes) {
    return settled(() => {
      const source = this.#source;
      if (!source) return fromText("");
      if (internals.unusable(this)) throw new TypeError("Body is unusable: Body has already been read");
      if (this.#stream === null && (source.kind === "stream" || source.kind === "open")) internals.stream(this);
      if (internals.unusable(this)) throw new TypeError("Body is unusable: Body has already been read");
      this.#used = true;
      if (this.#stream)
        return chunksOf(this.#stream).then((chunks) => fromBytes(chunks.length ? concat(chunks) : new Uint8Array(0)));
      return source.kind === "text" ? fromText(source.value) : fromBytes(bytesNow(source));
    });
  }

  text() {
    return this.#read(asText, decodeUtf8);
  }
  json() {
    return this.#read(
      (text) => JSON.parse(asText(text)),
      (bytes) => JSON.parse(decodeUtf8(bytes)),
    );
  }
  bytes() {
    return this.#read(encodeUtf8, copyOf);
  }
  arrayBuffer() {
    return this.#read(
      (text) => encodeUtf8(text).buffer,
      (bytes) => copyOf(bytes).buffer,
    );
  }

  blob() {
    const type = (this.headers.get("content-type") ?? "").toLowerCase();
    return this.#read(
      (text) => blobWith(encodeUtf8(text), type),
      (bytes) => blobWith(copyOf(bytes), type),
    );
  }

  formData() {
    const type = this.headers.get("content-type") ?? "";
    const ready = this.#source?.form;
    if (ready && !internals.unusable(this)) {
      this.#used = true;
      return settled(ready);
    }
    return this.#read(
      (text) => formOf(encodeUtf8(text), type),
      (bytes) => formOf(bytes, type),
    );
  }
}

function asText(text) {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  return whole.charCodeAt(0) === 0xfeff ? whole.slice(1) : whole;
}

function formOf(bytes, type) {
  const essence = type.split(";", 1)[0].trim().toLowerCase();
  if (essence === "multipart/form-data") return decodeMultipart(bytes, boundaryOf(type));
  if (essence !== "application/x-www-form-urlencoded") {
    throw new TypeError('Content-Type was not one of "multipart/form-data" or "application/x-www-form-urlencoded"');
  }
  const form = new FormData();
  for (const [name, value] of parseForm(decodeUtf8(bytes))) form.append(name, value);
  return form;
}

export const bodies = internals;
