// What an app is told about itself: `fazt.app`, `fazt.env`, `fazt.version`.

import { faulty, invalid } from "./errors.js";
import { Object } from "./primordials.js";

const { freeze, hasOwn } = Object;
let facts = { app: {}, env: {}, version: "" };
let values = freeze({});

export function know(told) {
  facts = { app: {}, env: {}, version: "", ...told };
  deeply(facts.app);
  values = freeze(
    Object.defineProperties({ ...facts.env }, { get: { value: env.get }, has: { value: env.has } }),
  );
}

function deeply(value) {
  if (value === null || typeof value !== "object" || Object.isFrozen(value)) return;
  freeze(value);
  for (const key of Object.keys(value)) deeply(value[key]);
}

export const app = {
  get id() {
    return facts.app.id;
  },
  get name() {
    return facts.app.name;
  },
  get source() {
    return facts.app.source;
  },
  get version() {
    return facts.app.version;
  },
  get manifest() {
    return facts.app.manifest;
  },
  get env() {
    if (facts.locked) throw locked();
    return values;
  },
};

function key(name, method) {
  if (typeof name !== "string") throw invalid(`fazt.env.${method}: expected a name.`);
  if (facts.locked) throw locked();
  return name;
}

const locked = () => faulty("LOCKED", "The settings of the app are sealed, and the key to them is not here.");

export const env = {
  get: (name, otherwise) => (hasOwn(facts.env, key(name, "get")) ? facts.env[name] : otherwise),
  has: (name) => hasOwn(facts.env, key(name, "has")),
};

export const version = () => facts.version;
/** Where people sign in and out: `{login, logout}`. */
export const pages = () => facts;
