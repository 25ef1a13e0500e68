// Numbers as decimal digits, rounded as people expect it: 1.005 to two digits is 1.01.

const { Number, String, TypeError } = globalThis;
const SHAPE = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/;
const MOST_DIGITS = 400;

/** { negative, whole, fraction } as texts of digits, or { negative, special } for what has none. */
export function decimalOf(value) {
  if (typeof value === "bigint") return digitsOf(String(value));
  if (typeof value === "string" && SHAPE.test(value.trim()) && /\d/.test(value) && value.length < MOST_DIGITS) {
    return digitsOf(value.trim());
  }
  if (typeof value === "symbol") throw new TypeError("Cannot convert a Symbol value to a number");
  const number = Number(value);
  if (number !== number) return { negative: false, special: "nan" };
  if (number === Infinity || number === -Infinity) return { negative: number < 0, special: "infinity" };
  return { ...digitsOf(String(number)), negative: number < 0 || Object.is(number, -0) };
}

function digitsOf(text) {
  const [, sign, whole, fraction, exponent = "0"] = SHAPE.exec(text);
  const shifted = shift({ whole, fraction }, Math.max(-MOST_DIGITS, Math.min(MOST_DIGITS, Number(exponent))));
  return { negative: sign === "-", ...shifted };
}

/** The same digits, the point moved to the right. */
export function shift({ whole, fraction, ...rest }, places) {
  const digits = whole + fraction;
  const point = whole.length + places;
  const before = point <= 0 ? "" : digits.slice(0, point).padEnd(point, "0");
  const after = point <= 0 ? "0".repeat(-point) + digits : digits.slice(point);
  return { ...rest, whole: before.replace(/^0+/, ""), fraction: after.replace(/0+$/, "") };
}

/** At most so many digits after the point; negative: so many zeros before it. */
export function rounded(decimal, places, mode = "halfExpand") {
  const digits = decimal.whole + decimal.fraction;
  const keep = decimal.whole.length + places;
  if (keep >= digits.length) return decimal;
  const kept = keep > 0 ? digits.slice(0, keep) : "";
  const rest = keep >= 0 ? digits.slice(keep) : "0".repeat(-keep) + digits;
  const up = isUp(kept, rest, decimal.negative, mode);
  const whole = up ? String(BigInt(kept || "0") + 1n).padStart(kept.length, "0") : kept;
  return shift({ ...decimal, whole, fraction: "" }, -places);
}

function isUp(kept, rest, negative, mode) {
  if (/^0*$/.test(rest)) return false;
  const half = rest[0] === "5" && /^0*$/.test(rest.slice(1)) ? 0 : rest[0] >= "5" ? 1 : -1;
  switch (mode) {
    case "ceil":
      return !negative;
    case "floor":
      return negative;
    case "expand":
      return true;
    case "trunc":
      return false;
    case "halfCeil":
      return half > 0 || (half === 0 && !negative);
    case "halfFloor":
      return half > 0 || (half === 0 && negative);
    case "halfTrunc":
      return half > 0;
    case "halfEven":
      return half > 0 || (half === 0 && Number(kept.at(-1) ?? 0) % 2 === 1);
    default:
      return half >= 0;
  }
}

/** How many places before the point the first digit has: 1 for 5, 3 for 123, 0 for 0.5, -1 for 0.05. */
export function magnitude({ whole, fraction }) {
  if (whole) return whole.length;
  const zeros = /^0*/.exec(fraction)[0].length;
  return zeros === fraction.length ? 1 : -zeros;
}

export const isZero = ({ whole, fraction }) => !whole && !fraction;
