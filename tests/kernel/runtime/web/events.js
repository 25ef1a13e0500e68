const attempt = (act) => {
  try {
    return act() ?? "fine";
  } catch (error) {
    return error?.name ?? error;
  }
};
const target = new EventTarget();
const said = [];
const say = (name) => (event) => {
  said.push(`${name}:${event.type}:${event.eventPhase}:${event.target === target}:${event.currentTarget === target}`);
};
const one = say("one");
target.addEventListener("x", one);
target.addEventListener("x", one);
target.addEventListener("x", one, true);
target.addEventListener("x", say("once"), { once: true });
target.addEventListener("x", { handleEvent: say("object") });
target.addEventListener("x", null);
target.addEventListener(
  "y",
  () => {
    target.addEventListener("y", say("late"));
    said.push("y");
  },
  { once: true },
);
print(
  target.dispatchEvent(new Event("x")),
  target.dispatchEvent(new Event("x")),
  target.dispatchEvent(new Event("y")),
  target.dispatchEvent(new Event("y")),
);
print(said.splice(0).join(" "));
target.removeEventListener("x", one);
target.dispatchEvent(new Event("x"));
print(said.splice(0).join(" "));
const other = new EventTarget();
other.addEventListener("c", (event) => {
  event.preventDefault();
  said.push(event.defaultPrevented);
});
other.addEventListener("c", (event) => {
  event.stopImmediatePropagation();
  said.push("stop");
});
other.addEventListener("c", () => said.push("never"));
print(other.dispatchEvent(new Event("c")), other.dispatchEvent(new Event("c", { cancelable: true })), said.splice(0));
const passive = new EventTarget();
passive.addEventListener("p", (event) => event.preventDefault(), { passive: true });
print(passive.dispatchEvent(new Event("p", { cancelable: true })));
const removing = new EventTarget();
const second = () => said.push("second");
removing.addEventListener("r", () => removing.removeEventListener("r", second));
removing.addEventListener("r", second);
removing.dispatchEvent(new Event("r"));
print("removed", said.splice(0));
const signalled = new EventTarget();
const controller = new AbortController();
signalled.addEventListener("s", () => said.push("s"), { signal: controller.signal });
signalled.dispatchEvent(new Event("s"));
controller.abort();
signalled.dispatchEvent(new Event("s"));
signalled.addEventListener("s", () => said.push("s"), { signal: controller.signal });
signalled.dispatchEvent(new Event("s"));
print(said.splice(0));
const event = new CustomEvent("k", { detail: { a: 1 }, bubbles: true, cancelable: true, composed: true });
print(
  event.type,
  event.detail.a,
  event.bubbles,
  event.cancelable,
  event.composed,
  event.defaultPrevented,
  event.returnValue,
  event.cancelBubble,
  event.isTrusted,
  event.composedPath().length,
  new CustomEvent("x").detail,
  Object.prototype.toString.call(event),
  event instanceof Event,
);
for (const call of [
  () => new Event(),
  () => new Event("x", 5),
  () => Event("x"),
  () => target.dispatchEvent({}),
  () => target.dispatchEvent(),
  () => target.addEventListener("x"),
  () => target.addEventListener("x", 5),
  () => new Event(Symbol("x")),
  () => new Event("x", null).type,
  () => Event.AT_TARGET,
  () => Reflect.get(Event.prototype, "type", {}),
])
  print(attempt(call));
const twice = new Event("z");
target.addEventListener("z", () => {
  print(attempt(() => target.dispatchEvent(twice)));
});
target.dispatchEvent(twice);
const abort = new AbortController();
const { signal } = abort;
signal.onabort = function (fired) {
  said.push("on", this === signal, fired.type, fired.target === signal);
};
signal.addEventListener("abort", () => said.push("listener"));
print(
  signal.aborted,
  signal.reason,
  attempt(() => signal.throwIfAborted()),
);
abort.abort();
abort.abort("again");
print(
  signal.aborted,
  signal.reason.name,
  signal.reason.code,
  attempt(() => signal.throwIfAborted()),
  said.splice(0),
);
print(
  AbortSignal.abort("r").reason,
  AbortSignal.abort().reason.name,
  AbortSignal.abort(null).reason,
  AbortSignal.abort(undefined).reason.name,
);
const first = new AbortController();
const last = new AbortController();
const any = AbortSignal.any([first.signal, last.signal]);
const nested = AbortSignal.any([any]);
nested.onabort = () => said.push("nested", any.aborted);
any.onabort = () => said.push("any", nested.aborted);
first.signal.onabort = () => said.push("first", any.aborted, nested.aborted);
first.abort("first");
last.abort("last");
print(any.aborted, any.reason, nested.reason, said.splice(0));
print(AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort("x"), AbortSignal.abort("y")]).reason);
for (const call of [
  () => new AbortSignal(),
  () => AbortSignal.any(),
  () => AbortSignal.any([5]),
  () => AbortSignal.any(5),
  () => AbortSignal.timeout(-1),
  () => AbortSignal.timeout(),
  () => AbortController(),
  () => Reflect.get(AbortSignal.prototype, "aborted", {}),
])
  print(attempt(call));
print(
  Object.prototype.toString.call(abort),
  Object.prototype.toString.call(signal),
  signal instanceof EventTarget,
  abort.signal === signal,
);
