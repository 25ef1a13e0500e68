import { Boolean, Date, Map, Object, Reflect, TypeError, WeakMap } from "./primordials.js";
import { finish, need } from "./bytes.js";
import { DOMException } from "./dom_exception.js";

let control;

export class Event {
  #type;
  #bubbles;
  #cancelable;
  #composed;
  #target = null;
  #current = null;
  #phase = 0;
  #stopped = false;
  #stoppedNow = false;
  #canceled = false;
  #passive = false;
  #dispatching = false;
  #time = Date.now();

  static {
    control = {
      begin(event, target) {
        if (event.#dispatching) throw new DOMException("The event is already being dispatched", "InvalidStateError");
        event.#dispatching = true;
        event.#target = event.#current = target;
        event.#phase = 2;
      },
      end(event) {
        event.#dispatching = event.#stopped = event.#stoppedNow = false;
        event.#current = null;
        event.#phase = 0;
        return !event.#canceled;
      },
      passive(event, on) {
        event.#passive = on;
      },
      stopped: (event) => event.#stoppedNow,
      is: (value) => typeof value === "object" && value !== null && #type in value,
    };
  }

  constructor(type, init = undefined) {
    need(arguments.length, 1, "Event");
    if (init !== undefined && init !== null && typeof init !== "object" && typeof init !== "function")
      throw new TypeError("Event: init is not an object");
    this.#type = `${type}`;
    this.#bubbles = Boolean(init?.bubbles);
    this.#cancelable = Boolean(init?.cancelable);
    this.#composed = Boolean(init?.composed);
  }

  get type() {
    return this.#type;
  }
  get target() {
    return this.#target;
  }
  get srcElement() {
    return this.#target;
  }
  get currentTarget() {
    return this.#current;
  }
  get eventPhase() {
    return this.#phase;
  }
  get bubbles() {
    return this.#bubbles;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get composed() {
    return this.#composed;
  }
  get defaultPrevented() {
    return this.#canceled;
  }
  get returnValue() {
    return !this.#canceled;
  }
  get cancelBubble() {
    return this.#stopped;
  }
  set cancelBubble(value) {
    if (value) this.#stopped = true;
  }
  get timeStamp() {
    return this.#time;
  }
  get isTrusted() {
    return false;
  }
  composedPath() {
    return this.#current ? [this.#current] : [];
  }
  stopPropagation() {
    this.#stopped = true;
  }
  stopImmediatePropagation() {
    this.#stopped = this.#stoppedNow = true;
  }
  preventDefault() {
    if (this.#cancelable && !this.#passive) this.#canceled = true;
  }
}
for (const [name, value] of [
  ["NONE", 0],
  ["CAPTURING_PHASE", 1],
  ["AT_TARGET", 2],
  ["BUBBLING_PHASE", 3],
]) {
  for (const holder of [Event, Event.prototype]) Object.defineProperty(holder, name, { value, enumerable: true });
}

export class CustomEvent extends Event {
  #detail;

  constructor(type, init = undefined) {
    super(type, init);
    this.#detail = init?.detail ?? null;
  }

  get detail() {
    return this.#detail;
  }
}

const reported = (error) => {
  const { console } = globalThis;
  if (console && typeof console.error === "function") console.error(error);
};

export class EventTarget {
  #listeners = null;

  addEventListener(type, listener, options = undefined) {
    need(arguments.length, 2, "addEventListener");
    const [capture, once, passive, signal] = flags(options);
    if (signal !== undefined && !(signal instanceof EventTarget && "aborted" in signal))
      throw new TypeError("addEventListener: signal is not an AbortSignal");
    if (listener === null || listener === undefined) return;
    if (typeof listener !== "function" && typeof listener !== "object")
      throw new TypeError("addEventListener: the listener is not an object");
    if (signal?.aborted) return;
    const name = `${type}`;
    const list = (this.#listeners ??= new Map()).get(name) ?? [];
    if (list.some((entry) => entry.listener === listener && entry.capture === capture)) return;
    this.#listeners.set(name, [...list, { listener, capture, once, passive, gone: false }]);
    signal?.addEventListener("abort", () => this.removeEventListener(name, listener, capture), { once: true });
  }

  removeEventListener(type, listener, options = undefined) {
    need(arguments.length, 2, "removeEventListener");
    const [capture] = flags(options);
    const list = this.#listeners?.get(`${type}`);
    const found = list?.find((entry) => entry.listener === listener && entry.capture === capture);
    if (!found) return;
    found.gone = true;
    this.#listeners.set(
      `${type}`,
      list.filter((entry) => entry !== found),
    );
  }

  dispatchEvent(event) {
    need(arguments.length, 1, "dispatchEvent");
    if (!control.is(event)) throw new TypeError("dispatchEvent: not an Event");
    control.begin(event, this);
    // The list is never changed in place, so listeners added meanwhile wait for the next event.
    for (const entry of this.#listeners?.get(event.type) ?? []) {
      if (entry.gone) continue;
      if (entry.once) this.removeEventListener(event.type, entry.listener, entry.capture);
      control.passive(event, entry.passive);
      call(entry.listener, this, event);
      control.passive(event, false);
      if (control.stopped(event)) break;
    }
    return control.end(event);
  }
}

function flags(options) {
  if (options === undefined || options === null) return [false, false, false, undefined];
  if (typeof options !== "object" && typeof options !== "function") return [Boolean(options), false, false, undefined];
  return [Boolean(options.capture), Boolean(options.once), Boolean(options.passive), options.signal];
}

function call(listener, target, event) {
  try {
    if (typeof listener === "function") Reflect.apply(listener, target, [event]);
    else if (typeof listener.handleEvent === "function") listener.handleEvent(event);
    else throw new TypeError("the listener has no handleEvent");
  } catch (error) {
    reported(error);
  }
}

/** An `on…` attribute: a listener that keeps its place while its function changes. */
export function handlerAttribute(Class, type) {
  const handlers = new WeakMap();
  Object.defineProperty(Class.prototype, `on${type}`, {
    get() {
      return handlers.get(this)?.fn ?? null;
    },
    set(fn) {
      let slot = handlers.get(this);
      const callable = typeof fn === "function" || (typeof fn === "object" && fn !== null) ? fn : null;
      if (!slot && callable) {
        slot = { fn: null };
        handlers.set(this, slot);
        const target = this;
        this.addEventListener(type, (event) => {
          if (typeof slot.fn === "function") Reflect.apply(slot.fn, target, [event]);
        });
      }
      if (slot) slot.fn = callable;
    },
    enumerable: true,
    configurable: true,
  });
}

finish(Event, "Event");
finish(CustomEvent, "CustomEvent");
finish(EventTarget, "EventTarget");
