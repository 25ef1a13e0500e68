// A body on its way out: chunks go as fast as the host has room for them.

import { bytes, host } from "./bridge.js";
import { promised } from "./calls.js";
import { abort, failed } from "./invocation.js";
import { say } from "./outbox.js";
import { ReadableStream } from "./primordials.js";
import { encode } from "./web.js";

// what may be sent before the host has heard of the response: its head leaves at the end of the step
const MOST_EARLY = 64 * 1024;
const MOST_AT_ONCE = 256 * 1024;

export function stream(invocation, head, body) {
  if (invocation.answered) return;
  // before anything is said: a stream may be of a class of the app's own
  const reader = body.getReader();
  invocation.answered = true;
  say(`H${head}`);
  if (invocation.aborted) {
    quietly(() => reader.cancel());
    say("Z");
    return;
  }
  invocation.streaming = true;
  invocation.stop = (reason) => {
    if (!invocation.streaming) return;
    invocation.streaming = false;
    quietly(() => reader.cancel(reason));
    say("Z");
  };
  pump(invocation, reader).catch((error) => {
    if (!invocation.streaming) return;
    quietly(() => reader.cancel(error));
    failed(error, "stream", invocation);
  });
}

async function pump(invocation, reader) {
  const sending = { invocation, early: 0 };
  for (;;) {
    const { done, value } = await reader.read();
    if (!invocation.streaming) return;
    if (done) break;
    const chunk = typeof value === "string" ? encode(value) : bytes(value, "A chunk of the response");
    for (let at = 0; at < chunk.length; at += MOST_AT_ONCE) {
      const room = sent(sending, chunk.length > MOST_AT_ONCE ? chunk.subarray(at, at + MOST_AT_ONCE) : chunk);
      if (!room && invocation.streaming) await promised("drain", "[]");
      if (!invocation.streaming) return;
    }
  }
  invocation.streaming = false;
  say("Z");
}

/** Hand over a piece; false if the next one has to wait. */
function sent(sending, piece) {
  let room;
  try {
    room = host("out", "", piece) !== "0";
  } catch (error) {
    if (error.code !== "CLOSED") throw error;
    abort();
    return false;
  }
  if (sending.early > MOST_EARLY) return room;
  sending.early += piece.length;
  return room && sending.early <= MOST_EARLY;
}

// what a cancelled source says to that is of no use to anybody
function quietly(cancel) {
  try {
    cancel()?.catch?.(() => {});
  } catch {}
}

/** The body of a request as it arrives. */
export function incoming() {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const chunk = await promised("body.read", "[]");
      if (chunk === undefined || chunk.byteLength === 0) {
        controller.close();
        controller.byobRequest?.respond(0);
      } else {
        controller.enqueue(chunk);
      }
    },
  });
}
