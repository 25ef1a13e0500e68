// What the host reads after a step: lines, then perhaps the response with its body.

let lines = [];
let last = "";
// how many lines have been taken: the place of a line is never given again while somebody may ask for it
let taken = 0;
let blanks = false;

/** Say a line; gives its place, by which it can be unsaid until it is taken. */
export function say(line) {
  // no part of a line may begin another one, wherever it came from
  return sayOwn(line.includes("\n") || line.includes("\x1f") ? line.replaceAll(/[\n\x1f]/g, " ") : line);
}

/** Say a line that is made of letters and numbers of the driver alone. */
export function sayOwn(line) {
  const place = lines.length;
  lines[place] = line;
  return taken + place;
}

/** False if the line has been taken already. */
export function unsay(place) {
  const at = place - taken;
  if (at < 0) return false;
  if (at < lines.length - 1) {
    lines[at] = "";
    blanks = true;
    return true;
  }
  do lines.pop();
  while (lines.length > 0 && lines[lines.length - 1] === "");
  return true;
}

/** The response: always the last thing of an output, whatever is said after it. */
export function conclude(text) {
  last = text;
}

export function take() {
  let text = last;
  last = "";
  if (lines.length === 0) return text;
  taken += lines.length;
  if (blanks) lines = lines.filter((line) => line !== "");
  if (text !== "") lines.push(text);
  text = lines.length === 1 ? lines[0] : lines.join("\n");
  lines = [];
  blanks = false;
  return text;
}
