// Asynchronous calls: a line to the host now, the answer in a later step.

import { host } from "./bridge.js";
import { decoded, faulty } from "./errors.js";
import { say, sayOwn, unsay } from "./outbox.js";
import { JSON, Map, Promise } from "./primordials.js";

const MOST_PENDING = 1000;
const pending = new Map();
let sequence = 0;

/** Send a call; `settle(kind, payload)` hears the answer. Gives the number by which it can be cancelled. */
export function send(op, json, settle, isTimer = false) {
  if (pending.size >= MOST_PENDING) {
    throw faulty("LIMIT_EXCEEDED", `More than ${MOST_PENDING} timers and calls are pending.`);
  }
  const id = ++sequence;
  const line = `C${id} ${op} ${json}`;
  pending.set(id, { settle, isTimer, place: isTimer ? sayOwn(line) : say(line) });
  return id;
}

export function promised(op, json) {
  return new Promise((resolve, reject) => {
    send(op, json, (kind, payload) => {
      if (kind === "e") reject(decoded(payload));
      else resolve(kind === "b" ? host("take", payload) : payload === "" ? undefined : JSON.parse(payload));
    });
  });
}

/** Forget a call; what the host has not heard of is not said at all. */
function drop(id, call) {
  pending.delete(id);
  if (!unsay(call.place)) sayOwn(`N${id}`);
}

/** End a timer. Numbers of other calls are nobody's business. */
export function cancel(id) {
  const call = pending.get(id);
  if (call?.isTimer) drop(id, call);
}

/** `R<id> <kind> <payload>` without its letter. An answer nobody waits for is dropped. */
export function settled(text) {
  const space = text.indexOf(" ");
  const id = +text.slice(0, space);
  const call = pending.get(id);
  if (call === undefined) return;
  pending.delete(id);
  call.settle(text[space + 1], text.slice(space + 3));
}

/** The number before which every call is older than what comes next. */
export const mark = () => sequence;

/** Nothing an invocation has asked for, and no timer at all, may reach the next one. */
export function forget(since) {
  for (const [id, call] of pending) {
    if (id > since || call.isTimer) drop(id, call);
  }
}
