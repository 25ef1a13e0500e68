// What the host says of a request. Most handlers look at little of it, so no more than the lines is taken apart at first.

import { JSON } from "./primordials.js";

// stands between the parts: no text of a request and no JSON holds it
const BETWEEN = "\x1f";
const NOTHING = {};

export class Asked {
  #headers;
  #rest;

  /** `id method url ip seed body headers rest`: the last two are JSON, and rest is empty where nothing is unusual. */
  constructor(told) {
    const parts = told.split(BETWEEN);
    this.id = parts[0];
    this.method = parts[1];
    this.url = parts[2];
    this.ip = parts[3];
    this.seed = parts[4];
    this.body = parts[5];
    this.#headers = parts[6];
    this.#rest = parts[7] === "" ? NOTHING : JSON.parse(parts[7]);
  }

  get headers() {
    if (typeof this.#headers === "string") this.#headers = JSON.parse(this.#headers);
    return this.#headers;
  }

  get user() {
    return this.#rest.user;
  }
  get trigger() {
    return this.#rest.trigger ?? "http";
  }
  get form() {
    return this.#rest.form;
  }
  get parts() {
    return this.#rest.parts;
  }
  get input() {
    return this.#rest.input;
  }
  get handler() {
    return this.#rest.handler;
  }
}
