import {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
} from "web-streams-polyfill";
import { bytesOf, copyOf, finish } from "./bytes.js";
import { TextDecoder, TextEncoder } from "./encoding.js";
import { String, TypeError, Uint8Array } from "./primordials.js";

export {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
};

export const isStream = (value) => value instanceof ReadableStream;
export const isDisturbed = (stream) => stream._disturbed === true;

/** A byte stream of what `load` returns, made when it is first read. */
export function streamOf(load) {
  return new ReadableStream(
    {
      type: "bytes",
      async pull(controller) {
        const bytes = await load();
        // Enqueueing hands the buffer over, so the source keeps its own.
        if (bytes.length) controller.enqueue(copyOf(bytes));
        controller.close();
        controller.byobRequest?.respond(0);
      },
    },
    { highWaterMark: 0 },
  );
}

/** All chunks of a byte stream; TypeError for a chunk that is not a Uint8Array. */
export async function chunksOf(stream) {
  const reader = stream.getReader();
  const chunks = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return chunks;
    if (!(value instanceof Uint8Array)) {
      const error = new TypeError("Received a chunk that is not a Uint8Array");
      reader.cancel(error).catch(() => {});
      throw error;
    }
    chunks.push(value);
  }
}

export class TextEncoderStream {
  #transform;

  constructor() {
    const encoder = new TextEncoder();
    let lead = "";
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        let text = lead + String(chunk);
        const tail = text.charCodeAt(text.length - 1);
        lead = tail >= 0xd800 && tail < 0xdc00 ? text[text.length - 1] : "";
        if (lead) text = text.slice(0, -1);
        if (text !== "") controller.enqueue(encoder.encode(text));
      },
      flush(controller) {
        if (lead) controller.enqueue(encoder.encode(lead));
      },
    });
  }

  get encoding() {
    return "utf-8";
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}

export class TextDecoderStream {
  #transform;
  #decoder;

  constructor(label = "utf-8", options = undefined) {
    const decoder = new TextDecoder(label, options);
    this.#decoder = decoder;
    const enqueue = (controller, text) => {
      if (text !== "") controller.enqueue(text);
    };
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        const bytes = bytesOf(chunk);
        if (!bytes) throw new TypeError("TextDecoderStream: a chunk is neither an ArrayBuffer nor a view of one");
        enqueue(controller, decoder.decode(bytes, { stream: true }));
      },
      flush(controller) {
        enqueue(controller, decoder.decode());
      },
    });
  }

  get encoding() {
    return this.#decoder.encoding;
  }
  get fatal() {
    return this.#decoder.fatal;
  }
  get ignoreBOM() {
    return this.#decoder.ignoreBOM;
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}

finish(TextEncoderStream, "TextEncoderStream");
finish(TextDecoderStream, "TextDecoderStream");
