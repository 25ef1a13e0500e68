// The web platform as globals of the guest, evaluated once when the snapshot is built.
import { Object } from "./primordials.js";
import { AbortController, AbortSignal } from "./abort.js";
import { Blob, File } from "./blob.js";
import { rememberOthers, structuredClone } from "./clone.js";
import { TextDecoder, TextEncoder } from "./encoding.js";
import { CustomEvent, Event, EventTarget } from "./events.js";
import { FormData } from "./form_data.js";
import { Headers } from "./headers.js";
import { hooks } from "./hooks.js";
import { Request } from "./request.js";
import { Response } from "./response.js";
import { URLSearchParams } from "./search_params.js";
import * as streams from "./streams.js";
import { URL } from "./url.js";

const { chunksOf, isDisturbed, isStream, streamOf, ...streamClasses } = streams;
const globals = {
  AbortController,
  AbortSignal,
  Blob,
  CustomEvent,
  Event,
  EventTarget,
  File,
  FormData,
  Headers,
  Request,
  Response,
  TextDecoder,
  TextEncoder,
  URL,
  URLSearchParams,
  structuredClone,
  ...streamClasses,
  __web: hooks,
};
for (const name of Object.keys(globals)) {
  Object.defineProperty(globalThis, name, {
    value: globals[name],
    writable: true,
    enumerable: false,
    configurable: true,
  });
}
rememberOthers();
