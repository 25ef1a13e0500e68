// What the host reads after a step: lines, then perhaps the response with its body.

let lines = "";
let last = "";

export function say(line) {
  lines = lines === "" ? line : `${lines}\n${line}`;
}

/** The response: always the last thing of an output, whatever is said after it. */
export function conclude(text) {
  last = text;
}

export function take() {
  const text = last === "" ? lines : lines === "" ? last : `${lines}\n${last}`;
  lines = last = "";
  return text;
}
