// `fazt.*` of the registry: each function knows its number, its defaults and where its bytes stand.

import { batching } from "./batch.js";
import { asked, base64, bytes, host, packed } from "./bridge.js";
import { promised } from "./calls.js";
import { invalid } from "./errors.js";
import { JSON, Map, Number, Object, TextDecoder } from "./primordials.js";

const { stringify } = JSON;
const STORES = ["kv", "ds", "s3"];
const BATCH = "storage.batch";

/** Put the functions of the descriptors where their paths say. */
export function registry(descriptors, root) {
  for (const descriptor of descriptors) {
    // streams of events have no shape in JavaScript yet
    if (!descriptor.path || descriptor.stream) continue;
    const fn = made(descriptor);
    for (const path of [descriptor.path, ...(descriptor.alias ?? [])]) place(root, path, fn);
    // the same for the rows of who is signed in
    if (descriptor.personal) place(root, descriptor.path.replace("storage.", "app.user."), made(descriptor, "u"));
    if (descriptor.path === BATCH) place(root, BATCH, batching(`${descriptor.op}`, operations(descriptors)));
  }
  for (const store of STORES) {
    if (root.storage?.[store]) root.app[store] ??= root.storage[store];
  }
}

/** How the arguments of each function travel in a batch. */
function operations(descriptors) {
  const kinds = new Map();
  for (const descriptor of descriptors) {
    const collect = descriptor.rest ? packed : collector(descriptor);
    for (const path of [descriptor.path, ...(descriptor.alias ?? [])]) {
      const name = path?.replace(/^(fazt\.)?storage\./, "");
      kinds.set(name, { collect, at: descriptor.bytes });
      if (descriptor.personal) kinds.set(`user.${name}`, { collect, at: descriptor.bytes });
    }
  }
  return kinds;
}

function place(root, path, fn) {
  const words = path.replace(/^fazt\./, "").split(".");
  const last = words.pop();
  let node = root;
  for (const word of words) node = node[word] ??= {};
  node[last] = fn;
}

function made(descriptor, suffix = "") {
  const fn = plain(descriptor, suffix);
  const whole = descriptor.parcel ? (...given) => unpacked(fn(...given)) : fn;
  return Object.defineProperty(whole, "name", { value: descriptor.path.split(".").pop() });
}

/** Bytes came beside what is said of them. */
function unpacked(about) {
  if (about === null || about === undefined) return about;
  const { $bytes: handle, ...said } = about;
  const bytes = host("take", `${handle}`);
  said.data = bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  return Object.defineProperties(said, {
    text: { value: () => new TextDecoder().decode(bytes) },
    base64: { value: () => base64(bytes) },
  });
}

function plain(descriptor, suffix) {
  const op = `${descriptor.op}${suffix}`;
  const name = `fazt.${descriptor.path}`;
  const at = descriptor.bytes;
  const collect = descriptor.rest ? packed : collector(descriptor, name);
  const send = descriptor.async ? promised : asked;
  // one text is what most calls are given
  const single = at < 0 && !descriptor.rest && descriptor.required <= 1 && descriptor.args.length > 0;
  return single
    ? {
        call(first) {
          if (arguments.length === 1 && typeof first === "string") return send(op, `[${stringify(first)}]`);
          return send(op, collect([...arguments]));
        },
      }.call
    : at < 0
      ? (...given) => send(op, collect(given))
      : (...given) => {
          const data = given[at] === undefined ? undefined : bytes(given[at], `${name}: ${descriptor.args[at]}`);
          if (at < given.length) given.splice(at, 1);
          const json = collect(given);
          if (data === undefined || !descriptor.async) return send(op, json, data);
          return promised(`${op}:${host("stash", "", data)}`, json);
        };
}

/** From what a call was given to the JSON array the host reads: holes filled, trailing ones cut, options last. */
function collector({ args, defaults, options, required, bytes: at, json = [], nulls = [], forms = {} }, usual) {
  const names = args.filter((_, index) => index !== at);
  const needed = required - (at >= 0 && at < required ? 1 : 0);
  const most = names.length + (options.length > 0 ? 1 : 0);
  const all = options.length > 0 ? [...names, "options"] : names;
  const queries = options.filter((option) => forms[option] === "query");
  const how = [...names.map((name) => forms[name]), queries.length > 0 ? queries : undefined];

  return (given, name = usual) => {
    let count = given.length > most ? most : given.length;
    while (count > 0 && given[count - 1] === undefined) count--;
    let simple = true;
    const sent = [];
    for (let index = 0; index < count; index++) {
      let value = given[index];
      if (value === undefined) {
        if (index < needed && !nulls.includes(index)) throw invalid(`${name}: ${names[index]} is missing.`);
        value = defaults[index];
      }
      const type = typeof value;
      if (type === "number" && !Number.isFinite(value) && !json.includes(index)) {
        throw invalid(`${name}: ${names[index] ?? "the options"} must be a number that JSON has.`);
      }
      if (type !== "string" && type !== "number" && type !== "boolean" && value !== null) simple = false;
      sent[index] = value;
    }
    if (count < needed) throw invalid(`${name}: ${names[count]} is missing.`);
    return simple ? stringify(sent) : packed(sent, name, all, how);
  };
}
