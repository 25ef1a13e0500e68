// `fazt.private`: the files an app keeps to itself.

import { asked } from "./bridge.js";
import { invalid } from "./errors.js";
import { JSON } from "./primordials.js";

function named(path, name) {
  if (typeof path !== "string") throw invalid(`fazt.private.${name}: expected a path.`);
  return path;
}

const read = (path) => asked("private.read", named(path, "read"));

export const files = {
  read,
  readJSON(path) {
    const text = read(named(path, "readJSON"));
    if (text === undefined || text === null) return null;
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  },
  exists: (path) => asked("private.exists", named(path, "exists")),
  list: () => asked("private.list", "") ?? [],
};
