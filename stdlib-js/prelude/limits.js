// What bounds a response that is not streamed.

import { bad } from "./headers.js";

export const MOST_BODY = 10 * 1024 * 1024;

export function tooLarge() {
  return bad("The body is larger than 10 MiB.", "Stream it: return a Response with a ReadableStream.");
}
