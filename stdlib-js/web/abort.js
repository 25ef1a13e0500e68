import { Number, Set, TypeError } from "./primordials.js";
import { finish, need } from "./bytes.js";
import { DOMException } from "./dom_exception.js";
import { Event, EventTarget, handlerAttribute } from "./events.js";

const KEY = {};
let internals;

export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  #followers = null;
  #sources = null;
  #algorithms = null;

  static {
    internals = {
      make: () => new AbortSignal(KEY),
      is: (value) => typeof value === "object" && value !== null && #aborted in value,
      abort(signal, reason) {
        signal.#abort(reason);
      },
      /** Runs `act` once when the signal aborts, before its listeners hear of it. */
      onAbort(signal, act) {
        if (signal.#aborted) act();
        else (signal.#algorithms ??= new Set()).add(act);
      },
      offAbort(signal, act) {
        signal.#algorithms?.delete(act);
      },
      follow(signals) {
        const result = new AbortSignal(KEY);
        for (const signal of signals) {
          if (signal.#aborted) {
            result.#aborted = true;
            result.#reason = signal.#reason;
            return result;
          }
        }
        result.#sources = new Set();
        for (const signal of signals) {
          for (const source of signal.#sources ?? [signal]) {
            result.#sources.add(source);
            (source.#followers ??= new Set()).add(result);
          }
        }
        return result;
      },
    };
  }

  constructor(key) {
    if (key !== KEY) throw new TypeError("Illegal constructor");
    super();
  }

  static abort(reason = undefined) {
    const signal = new AbortSignal(KEY);
    signal.#aborted = true;
    signal.#reason = reasonOf(reason);
    return signal;
  }

  static timeout(milliseconds) {
    need(arguments.length, 1, "AbortSignal.timeout");
    const delay = Number(milliseconds);
    if (!(delay >= 0 && delay <= Number.MAX_SAFE_INTEGER))
      throw new TypeError("AbortSignal.timeout: not a possible delay");
    const { setTimeout } = globalThis;
    if (typeof setTimeout !== "function") throw new DOMException("There are no timers here", "NotSupportedError");
    const signal = new AbortSignal(KEY);
    const timer = setTimeout(
      () => signal.#abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
      delay,
    );
    if (typeof timer?.unref === "function") timer.unref();
    return signal;
  }

  static any(signals) {
    need(arguments.length, 1, "AbortSignal.any");
    const list = [...signals];
    for (const signal of list) if (!internals.is(signal)) throw new TypeError("AbortSignal.any: not an AbortSignal");
    return internals.follow(list);
  }

  #abort(reason) {
    if (this.#aborted) return;
    const all = [this];
    this.#aborted = true;
    this.#reason = reasonOf(reason);
    for (const signal of this.#followers ?? []) {
      if (signal.#aborted) continue;
      signal.#aborted = true;
      signal.#reason = this.#reason;
      all.push(signal);
    }
    for (const signal of all) {
      const acts = signal.#algorithms;
      signal.#algorithms = signal.#followers = null;
      for (const act of acts ?? []) act();
      signal.dispatchEvent(new Event("abort"));
    }
  }

  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
}

const reasonOf = (reason) =>
  reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;

export class AbortController {
  #signal = internals.make();

  get signal() {
    return this.#signal;
  }
  abort(reason = undefined) {
    internals.abort(this.#signal, reason);
  }
}

export const signals = internals;
finish(AbortSignal, "AbortSignal");
finish(AbortController, "AbortController");
handlerAttribute(AbortSignal, "abort");
