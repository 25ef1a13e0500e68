// The tables of tr46 are only looked at when a host has a character beyond ASCII or a punycode label.
export function domainToAscii(domain) {
  return require("tr46").toASCII(domain, { checkBidi: true, checkJoiners: true });
}
