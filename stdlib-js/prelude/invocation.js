// The one invocation this instance serves now, from `S` until nothing of it is left.

import { forget, mark } from "./calls.js";
import { faulty, Interrupt, report } from "./errors.js";
import { conclude, say } from "./outbox.js";
import { heard } from "./promises.js";
import { noIntervals } from "./timers.js";
import { abort as abortSignal, makeSignal } from "./web.js";
import { DOMException, JSON } from "./primordials.js";

class Invocation {
  constructor(asked) {
    this.asked = asked;
    this.since = mark();
    this.answered = false;
    this.streaming = false;
    this.aborted = false;
    this.waiting = 0;
    this.waitingSaid = 0;
    this.recorded = undefined;
    this.abortable = null;
    this.stop = null;
  }

  get signal() {
    if (this.abortable === null) {
      this.abortable = makeSignal();
      if (this.aborted) abortSignal(this.abortable, gone());
    }
    return this.abortable;
  }
}

let current = null;
let loading = false;

const gone = () => new DOMException("The client went away.", "AbortError");

/** Whoever needs the request of now asks here. */
export function active(what = "The request") {
  if (current === null) {
    throw faulty(
      "NO_REQUEST",
      `${what} is not there outside of a request.`,
      "Code at the top of a module runs once, before any request: move this into the handler.",
    );
  }
  return current;
}

export const maybe = () => current;

export function begin(asked) {
  if (current !== null) drop();
  current = new Invocation(asked);
  return current;
}

export function load(on) {
  loading = on;
}

/** At the end of a step: say what is still awaited, and let go of what is over. */
export function rest() {
  if (current === null) return;
  if (current.waiting !== current.waitingSaid) {
    current.waitingSaid = current.waiting;
    say(`W${current.waiting}`);
  }
  if (current.answered && !current.streaming && current.waiting === 0) drop();
}

function drop() {
  forget(current.since);
  noIntervals();
  current = null;
}

export function abort() {
  if (current === null || current.aborted) return;
  current.aborted = true;
  const error = gone();
  if (current.abortable !== null) abortSignal(current.abortable, error);
  current.stop?.(error);
}

/** The response, once; `text` as the protocol wants it. */
export function answer(invocation, text) {
  if (invocation.answered || invocation !== current) return;
  invocation.answered = true;
  conclude(text);
}

export function wait(invocation, promise) {
  if (invocation !== current) return;
  const done = () => {
    invocation.waiting--;
  };
  heard(promise, done, (error) => {
    done();
    complain(error);
  });
  invocation.waiting++;
}

/** An error nobody caught. It answers the request if nothing has; otherwise it is only logged. */
export function failed(error, kind = "handler", invocation = current) {
  if (invocation === null) {
    if (loading) say(`E${JSON.stringify(report(error, "load"))}`);
    else complain(error);
    return;
  }
  if (invocation !== current) return;
  if (invocation.answered && kind !== "stream") {
    complain(error);
    return;
  }
  const instead = Interrupt.responseOf(error);
  if (instead !== undefined && kind !== "stream") {
    answer(invocation, instead);
    return;
  }
  invocation.answered = true;
  invocation.streaming = false;
  say(`E${JSON.stringify(report(error, kind))}`);
}

let complain = () => {};

export function onComplaint(log) {
  complain = log;
}
