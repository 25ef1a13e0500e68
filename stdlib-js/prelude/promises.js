// Hearing of promises that may be an app's own.

import { Promise, Reflect } from "./primordials.js";

const { then } = Promise.prototype;

/** What listens here is given to no code of the app: a `then` of its own hears functions of the engine instead. */
export function heard(value, done, failed) {
  const real = value instanceof Promise && value.then === then ? value : new Promise((resolve) => resolve(value));
  Reflect.apply(then, real, [done, failed]);
}
