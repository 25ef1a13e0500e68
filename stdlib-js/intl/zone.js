// How far a time zone is from UTC.
import { ask } from "./ask.js";
import { host } from "../prelude/bridge.js";

const { JSON, Map, Number, RangeError, String } = globalThis;
const QUARTER = 900_000;
const WEEK = 8 * 86_400_000;
const MOST = 1024;
const offsets = new Map();

/** The name of a zone as it is kept; what is none is a RangeError. */
export function zoneOf(value) {
  if (value === undefined) return "UTC";
  const name = String(value);
  const fixed = /^([+-])(\d\d)(?::?(\d\d))?$/.exec(name);
  if (!fixed) return ask("intl.zone", { zone: name });
  const [, sign, hours, minutes = "00"] = fixed;
  if (Number(hours) > 23 || Number(minutes) > 59) throw new RangeError(`Invalid time zone specified: ${name}`);
  return `${sign}${hours}:${minutes}`;
}

/** Milliseconds to add to the time in UTC. Zones change at full quarters of an hour only. */
export function offsetOf(zone, time) {
  if (zone === "UTC") return 0;
  if (zone[0] === "+" || zone[0] === "-") {
    return (zone[0] === "-" ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4))) * 60_000;
  }
  return kept(zone, time, WEEK) ?? kept(zone, time, QUARTER);
}

/** The offset in a span of time; none if it changes there. */
function kept(zone, time, span) {
  const start = Math.floor(time / span) * span;
  const key = `${zone} ${span} ${start}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    const seconds = JSON.parse(host("intl.offset", JSON.stringify({ zone, ms: start, span: span === WEEK ? span : 0 })));
    offset = seconds === null ? null : seconds * 1000;
    if (offsets.size >= MOST) offsets.clear();
    offsets.set(key, offset);
  }
  return offset;
}
