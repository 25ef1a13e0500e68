const { table } = require("./table");

const TEXTS = ["", "abc", "ABC123", "123", "-1.5", "1e5", "0x1F", "  x ", "foo@example.org", "foo@@example.org", "foo.bar+baz@sub.example.co.uk", "https://example.org/a?b=c#d", "http://localhost:8080", "ftp://x", "//example.org", "javascript:alert(1)",
  "192.168.0.1", "256.1.1.1", "::1", "2001:db8::ff00:42:8329", "10.0.0.0/8", "example.org", "exa_mple.org", "00:1B:44:11:3A:B7", "550e8400-e29b-41d4-a716-446655440000", "#ff0033", "rgb(1,2,3)", "2024-02-29", "2023-02-29", "2024-01-01T00:00:00Z", "12:34",
  "4111111111111111", "4111111111111112", "DE89370400440532013000", "9783161484100", "978-3-16-148410-0", "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln", "aGVsbG8=", "SGVsbG8", '{"a":1}', "{bad", "true", "yes", "US", "de-DE", "+4915112345678", "+1 202-555-0123", "5f4dcc3b5aa765d61d8327deb882cf99", "日本語", "ｆｕｌｌ", "🥚", "a\u0000b",
  "Pa$$w0rd!long", "password", "$10.50", "1,000.00", "12.34,56.78", "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "image/png", "1.2.3-beta.1", "01234", "90210", "BTC", "a-slug-here", "A slug", "data:text/plain;base64,aGk="];
const CHECKS = ["isEmail", "isURL", "isIP", "isIPRange", "isFQDN", "isMACAddress", "isUUID", "isHexColor", "isRgbColor", "isDate", "isISO8601", "isRFC3339", "isTime", "isCreditCard", "isIBAN", "isISBN", "isEAN", "isJWT", "isBase64", "isBase32", "isBase58", "isJSON", "isBoolean", "isISO31661Alpha2", "isLocale", "isMobilePhone", "isMD5",
  "isMultibyte", "isFullWidth", "isSurrogatePair", "isStrongPassword", "isCurrency", "isLatLong", "isMagnetURI", "isMimeType", "isSemVer", "isSlug", "isDataURI", "isAlpha", "isAlphanumeric", "isNumeric", "isInt", "isFloat", "isDecimal", "isHexadecimal", "isLowercase", "isUppercase", "isAscii", "isEmpty", "isPort", "isOctal", "isLuhnNumber", "isMongoId", "isEthereumAddress", "isBIC", "isISSN", "isISIN", "isHSL"];
const CHANGES = ["escape", "unescape", "trim", "ltrim", "rtrim", "stripLow", "normalizeEmail", "toInt", "toFloat", "toBoolean", "toDate"];

module.exports = (validator) => {
  const t = table(4);
  for (const check of CHECKS) {
    for (const text of TEXTS) t.add(`${check} ${text}`, () => validator[check](text));
  }
  for (const change of CHANGES) for (const text of TEXTS) t.add(`${change} ${text}`, () => validator[change](text));
  for (let n = 0; n < 60; n++) {
    const text = t.word();
    t.add(`length ${text}`, () => validator.isLength(text, { min: 2, max: 7 }));
    t.add(`bytes ${text}`, () => validator.isByteLength(text, { min: 2, max: 7 }));
    t.add(`letters ${text}`, () => [validator.isAlpha(text, "de-DE"), validator.whitelist(text, "a-z"), validator.blacklist(text, "a-z"), validator.contains(text, "a"), validator.matches(text, /^[a-z]/)]);
  }
  t.add("no text", () => validator.isEmail(5));
  t.add("in", () => validator.isIn("a", ["a", "b"]));
  t.add("a port and a host", () => validator.isURL("http://h:70000", { require_tld: false }));
  t.add("a strong one scored", () => validator.isStrongPassword("aA1!aaaa", { returnScore: true }));
  t.add("after", () => [validator.isAfter("2024-02-02", "2024-01-01"), validator.isBefore("2024-02-02", "2024-01-01")]);
  t.add("postal codes", () => ["DE", "US", "GB", "any"].map((land) => validator.isPostalCode("90210", land)));
  return t.calls;
};
