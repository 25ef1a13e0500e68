// `fazt.storage.batch`: each operation packed as a call of its own would be, the bytes of all behind each other.

import { asked, bytes, packed } from "./bridge.js";
import { invalid } from "./errors.js";
import { Array, JSON, Uint8Array } from "./primordials.js";

const { stringify } = JSON;

/** `kinds`: by the name of an operation, how it packs its arguments and where its bytes stand. */
export function batching(op, kinds) {
  return function batch(operations, options) {
    if (!Array.isArray(operations)) throw invalid("fazt.storage.batch: operations must be an array.");
    const beside = [];
    const texts = [];
    for (let index = 0; index < operations.length; index++) {
      texts[index] = operation(operations[index], `operations[${index}]`, kinds, beside);
    }
    const said = options === undefined ? "" : `,${packed([options]).slice(1, -1)}`;
    try {
      return asked(op, `[[${texts.join()}]${said}]`, beside.length > 0 ? joined(beside) : undefined);
    } catch (error) {
      // it has happened already
      if (error.code === "CONFLICT" && error.details?.once !== undefined) return null;
      throw error;
    }
  };
}

function operation(given, where, kinds, beside) {
  if (!Array.isArray(given)) throw invalid(`${where}: expected [name, ...arguments].`);
  const [name, ...rest] = given;
  const kind = kinds.get(name);
  // what this is not the host says
  if (kind === undefined) return packed([name]);
  let data = "";
  if (kind.at >= 0) {
    data = `,${counted(rest[kind.at], `${where}: ${name}`, beside)}`;
    if (kind.at < rest.length) rest.splice(kind.at, 1);
  }
  const json = kind.collect(rest, `${where}: ${name}`);
  return `[${stringify(name)}${data}${json === "[]" ? "]" : `,${json.slice(1)}`}`;
}

/** How many bytes of those beside are meant; a text stands for itself. */
function counted(value, name, beside) {
  if (value === undefined) return "null";
  const data = bytes(value, name);
  if (typeof data === "string") return stringify(data);
  beside.push(data);
  return data.length;
}

function joined(pieces) {
  if (pieces.length === 1) return pieces[0];
  let size = 0;
  for (const piece of pieces) size += piece.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
