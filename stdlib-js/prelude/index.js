// The guest's side of a step: `__in` takes messages, `__take` gives what there is to say.

import "../crypto/index.js";
import "../intl/index.js";
import { Asked } from "./asked.js";
import { auth } from "./auth.js";
import { settled } from "./calls.js";
import { FaztError } from "./errors.js";
import * as facts from "./facts.js";
import { registry } from "./fazt.js";
import { freezeAll } from "./freeze.js";
import { abort, active, begin, onComplaint, rest } from "./invocation.js";
import { complain, console, fresh, log } from "./log.js";
import { setFazt } from "./modules.js";
import { take } from "./outbox.js";
import { Error, JSON, Math, Object } from "./primordials.js";
import { files } from "./private.js";
import { random, seed } from "./random.js";
import { Builder, respond } from "./respond.js";
import { open, plainRequest, serve } from "./styles.js";
import * as timers from "./timers.js";

const { parse } = JSON;
const { defineProperty } = Object;

function input(text) {
  let start = 0;
  for (;;) {
    const end = text.indexOf("\n", start);
    message(end < 0 ? text.slice(start) : text.slice(start, end));
    if (end < 0) return;
    start = end + 1;
  }
}

function message(line) {
  const rest = line.slice(1);
  switch (line[0]) {
    case "S":
      return begun(rest);
    case "R":
      return settled(rest);
    case "X":
      return abort();
    case "I":
      return introduced(parse(rest));
    default:
      throw new Error(`An unknown message: ${line.slice(0, 20)}`);
  }
}

function introduced(told) {
  facts.know(told);
  open(told);
}

function begun(told) {
  fresh();
  const asked = new Asked(told);
  seed(asked.seed);
  serve(begin(asked));
}

const NOTHING = {};
let complained = NOTHING;

function complainOnce(error) {
  complained = error;
  complain(error);
}

/** `unheard`: why a Promise was rejected in this step that nobody waits for. */
function output(...unheard) {
  if (unheard.length > 0 && unheard[0] !== complained) complain(unheard[0]);
  complained = NOTHING;
  rest();
  return take();
}

function install(name, value) {
  defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

/** A name of scripts that handlers of other styles may use as well, while somebody is asking. */
function bind(name, get) {
  const set = (value) => install(name, value);
  defineProperty(globalThis, name, { get, set, enumerable: false, configurable: true });
}

const fazt = {
  app: facts.app,
  env: facts.env,
  auth,
  log,
  private: files,
  sleep: timers.sleep,
  get version() {
    return facts.version();
  },
};
const { __descriptors: descriptors = "[]" } = globalThis;
registry(Object.values(parse(descriptors)), fazt);
setFazt(fazt);

onComplaint(complainOnce);
defineProperty(Math, "random", { value: random });
for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"]) install(name, timers[name]);
for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) install(name, timers.clearTimeout);
install("console", console);
install("FaztError", FaztError);
install("respond", respond);
bind("request", () => plainRequest(active("request")));
bind("response", () => {
  active("response");
  return new Builder();
});
defineProperty(globalThis, "fazt", { value: fazt, writable: false, enumerable: true, configurable: false });

for (const name of ["__host", "__descriptors"]) delete globalThis[name];
freezeAll();
// last, and taken away by the engine
install("__in", input);
install("__take", output);
