// The request as the web platform has it: nothing of it is made before it is read.

import { host } from "./bridge.js";
import { promised } from "./calls.js";
import { FormData } from "./primordials.js";
import { incoming } from "./stream.js";
import { makeFile, makeRequest } from "./web.js";

const FORM = /^\s*(multipart\/form-data|application\/x-www-form-urlencoded)\s*(;|$)/i;
const whole = { bytes: () => host("body", "") };
const arriving = { stream: incoming };

export function webRequest(invocation) {
  const { method, url, headers, body, form, parts } = invocation.asked;
  const bare = method === "GET" || method === "HEAD";
  return makeRequest({
    method,
    url,
    headers,
    body: bare ? null : body === "bytes" ? whole : body === "stream" ? arriving : null,
    // what the host has taken apart is not taken apart again
    form: form != null || parts != null ? () => filled(form, parts) : body === "stream" ? streamed(headers) : undefined,
    signal: () => invocation.signal,
  });
}

function streamed(headers) {
  const type = headers.find(([name]) => name === "content-type")?.[1] ?? "";
  if (!FORM.test(type)) return undefined;
  return async () => {
    const { fields, parts } = await promised("body.form", "[]");
    return filled(fields, parts);
  };
}

function filled(fields, parts) {
  const form = new FormData();
  for (const [name, value] of fields ?? []) form.append(name, value);
  (parts ?? []).forEach((part, index) => form.append(part.field, file({ index, ...part })));
  return form;
}

function file({ index, name, type, size }) {
  return makeFile({ name, type, size, bytes: () => host("part", `[${index}]`) });
}
