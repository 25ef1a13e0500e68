// A web Response on its way out: texts and bytes go whole, everything else as it comes.

import { host } from "./bridge.js";
import { bad, lines } from "./headers.js";
import { answer } from "./invocation.js";
import { MOST_BODY, tooLarge } from "./limits.js";
import { stream } from "./stream.js";
import { Number } from "./primordials.js";
import { bodyOf, wireOf } from "./web.js";

export function send(invocation, response) {
  const { status } = response;
  if (!Number.isInteger(status) || status < 200 || status > 599) throw bad("Response.error() cannot be sent.");
  const head = `${status} ${lines(wireOf(response))}`;
  const body = taken(response);
  if (body === null) return answer(invocation, `D${head}\n`);
  if (invocation.asked.method === "HEAD") {
    body.stream?.cancel().catch(() => {});
    return answer(invocation, `D${head}\n`);
  }
  if (body.stream !== undefined) return stream(invocation, head, body.stream);
  const content = body.text ?? body.bytes;
  if (content.length > MOST_BODY) throw tooLarge();
  if (body.text !== undefined) return answer(invocation, `D${head}\n${content}`);
  host("out", "", content);
  return answer(invocation, `B${head}`);
}

function taken(response) {
  try {
    return bodyOf(response);
  } catch {
    throw bad("The body of the Response has been read already.", "Return response.clone().");
  }
}
