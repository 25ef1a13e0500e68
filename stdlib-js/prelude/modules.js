// `require`: the host finds and evaluates files, the guest keeps what they export.

import { asked, host } from "./bridge.js";
import { faulty, invalid } from "./errors.js";
import { JSON, Map, Object } from "./primordials.js";

const MOST_DEPTH = 10;
const resolved = new Map();
const factories = new Map();
const libraries = globalThis.__libs ?? {};
let fazt;

export function setFazt(object) {
  fazt = object;
}

/** Modules live as long as their cache: an instance for handlers, one execution for scripts. */
export class Modules {
  constructor() {
    this.cache = new Map();
    this.depth = 0;
  }

  require(from, name) {
    if (typeof name !== "string" || name === "") throw invalid("require: expected the name of a module.");
    if (name === "fazt") return fazt;
    const found = find(from, name);
    return found.kind === "lib" ? library(found.path) : this.exports(found);
  }

  exports({ path, async }) {
    const known = this.cache.get(path);
    if (known !== undefined) return known.exports;
    if (this.depth >= MOST_DEPTH) {
      throw faulty("REQUIRE_DEPTH", `Modules require each other more than ${MOST_DEPTH} deep.`);
    }
    if (async) throw faulty("MODULE_FORBIDDEN", `${path} waits at its top and cannot be required.`);
    const module = this.module(path);
    this.depth++;
    try {
      this.run(module);
    } catch (error) {
      this.cache.delete(path);
      throw error;
    } finally {
      this.depth--;
    }
    module.loaded = true;
    return module.exports;
  }

  module(path) {
    const module = { id: path, filename: path, exports: {}, loaded: false };
    this.cache.set(path, module);
    return module;
  }

  /** Run the code of a module; a script is given the request as well. */
  run(module, ...given) {
    const path = module.id;
    const require = (name) => this.require(path, name);
    require.resolve = (name) => find(path, name).path;
    const slash = path.lastIndexOf("/");
    const folder = slash < 0 ? "." : path.slice(0, slash);
    return factory(path).call(module.exports, module.exports, require, module, path, folder, fazt, ...given);
  }
}

export function factory(path) {
  let made = factories.get(path);
  if (made === undefined) {
    made = host("module", path);
    factories.set(path, made);
  }
  return made;
}

function find(from, name) {
  const key = `${from}\n${name}`;
  let found = resolved.get(key);
  if (found === undefined) {
    found = asked("resolve", JSON.stringify([from, name]));
    resolved.set(key, found);
  }
  return found;
}

function library(name) {
  if (!Object.hasOwn(libraries, name)) throw faulty("MODULE_NOT_FOUND", `Cannot find module '${name}'`);
  return libraries[name];
}

delete globalThis.__libs;
