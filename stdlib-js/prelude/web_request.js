// The request as the web platform has it: nothing of it is made before it is read.

import { host, part } from "./bridge.js";
import { promised } from "./calls.js";
import { FormData } from "./primordials.js";
import { incoming } from "./stream.js";
import { bareRequest, makeFile, makeRequest } from "./web.js";

const FORM = /^\s*(multipart\/form-data|application\/x-www-form-urlencoded)\s*(;|$)/i;
const whole = { bytes: () => host("body", "") };
const arriving = { stream: incoming };

export function webRequest(invocation) {
  const { asked } = invocation;
  const { method, url, body } = asked;
  const headers = () => asked.headers;
  const signal = () => invocation.signal;
  if (method === "GET" || method === "HEAD") return bareRequest(method, url, headers, signal);
  const { form, parts } = asked;
  return makeRequest({
    method,
    url,
    headers,
    body: body === "bytes" ? whole : body === "stream" ? arriving : null,
    // what the host has taken apart is not taken apart again
    form: form != null || parts != null ? () => filled(form, parts) : body === "stream" ? streamed(asked) : undefined,
    signal,
  });
}

function streamed(asked) {
  const type = asked.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  if (!FORM.test(type)) return undefined;
  return async () => {
    const { fields, parts } = await promised("body.form", "[]");
    return filled(fields, parts);
  };
}

function filled(fields, parts) {
  const form = new FormData();
  for (const [name, value] of fields ?? []) form.append(name, value);
  (parts ?? []).forEach((found, index) => form.append(found.field, file({ index, ...found })));
  return form;
}

function file({ index, name, type, size }) {
  return makeFile({ name, type, size, bytes: () => part(index, size) });
}
