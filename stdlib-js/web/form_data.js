import { Date, TypeError } from "./primordials.js";
import { finish, iterable, need } from "./bytes.js";
import { File, fileWith, isBlob } from "./blob.js";
import { usv } from "./search_params.js";

let internals;

function valueOf(args, what) {
  const [, value, name] = args;
  if (!isBlob(value)) {
    if (args.length > 2) throw new TypeError(`${what}: the value is not a Blob`);
    return usv(value);
  }
  if (args.length > 2 && name !== undefined)
    return fileWith(value, usv(name), value instanceof File ? value.lastModified : Date.now());
  return value instanceof File ? value : fileWith(value, "blob", Date.now());
}

export class FormData {
  #list = [];

  static {
    internals = {
      list: (form) => form.#list,
      is: (value) => typeof value === "object" && value !== null && #list in value,
    };
  }

  constructor(form = undefined) {
    if (form !== undefined) throw new TypeError("FormData: there are no form elements here");
  }

  append(name, value, filename = undefined) {
    need(arguments.length, 2, "FormData.append");
    this.#list.push([usv(name), valueOf(arguments, "FormData.append")]);
  }

  set(name, value, filename = undefined) {
    need(arguments.length, 2, "FormData.set");
    const entry = [usv(name), valueOf(arguments, "FormData.set")];
    const at = this.#list.findIndex((pair) => pair[0] === entry[0]);
    if (at < 0) this.#list.push(entry);
    else
      this.#list = this.#list
        .map((pair, index) => (index === at ? entry : pair))
        .filter((pair) => pair === entry || pair[0] !== entry[0]);
  }

  delete(name) {
    need(arguments.length, 1, "FormData.delete");
    const key = usv(name);
    this.#list = this.#list.filter((pair) => pair[0] !== key);
  }

  get(name) {
    need(arguments.length, 1, "FormData.get");
    const key = usv(name);
    return this.#list.find((pair) => pair[0] === key)?.[1] ?? null;
  }

  getAll(name) {
    need(arguments.length, 1, "FormData.getAll");
    const key = usv(name);
    return this.#list.filter((pair) => pair[0] === key).map((pair) => pair[1]);
  }

  has(name) {
    need(arguments.length, 1, "FormData.has");
    const key = usv(name);
    return this.#list.some((pair) => pair[0] === key);
  }
}

export const formEntries = internals.list;
export const isForm = internals.is;
finish(FormData, "FormData");
iterable(FormData, internals.list, "FormData");
