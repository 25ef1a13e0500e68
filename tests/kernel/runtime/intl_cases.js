// Numbers, dates and words as our Intl writes them, and as node does. `theirs` has what node brought.
const out = [];
const told = (work) => {
  try {
    return work();
  } catch (error) {
    return `${error.constructor.name}`;
  }
};
const both = (name, ours, other) => out.push([name, told(ours), told(other)]);
const LOCALES = ["en-US", "en-GB", "de-DE", "de-CH", "fr-FR", "es-ES", "it-IT", "pt-BR", "pl-PL", "ru-RU", "sv-SE", "ja-JP", "zh-CN", "ko-KR", "tr-TR", "hi-IN"];

const numbers = [
  [{}, [0, -0, 1234.5, -1234567.891, 1.005, 0.000001, 1e21, NaN, Infinity, 12345678901234567890n, 999.9996]],
  [{ style: "percent" }, [0.256, -1.5, 12]],
  [{ style: "percent", maximumFractionDigits: 1 }, [0.2567]],
  [{ style: "currency", currency: "EUR" }, [1234.5, -3.999]],
  [{ style: "currency", currency: "JPY" }, [1234.5]],
  [{ style: "currency", currency: "USD", currencyDisplay: "code" }, [5]],
  [{ style: "currency", currency: "USD", currencyDisplay: "name" }, [1, 5.5]],
  [{ style: "currency", currency: "USD", maximumFractionDigits: 0 }, [1234.5]],
  [{ minimumFractionDigits: 2, maximumFractionDigits: 2 }, [1, 2.345, 1.005]],
  [{ maximumSignificantDigits: 3 }, [123456, 0.00123456, 0.1]],
  [{ minimumIntegerDigits: 3, useGrouping: false }, [7, 12345]],
  [{ signDisplay: "always" }, [3, 0, -3]],
  [{ signDisplay: "exceptZero" }, [3, 0, -3, -0.0001]],
  [{ notation: "compact" }, [0, 999, 1234, 15300, 999999, 1234567, 1.234, 5e9]],
  [{ notation: "compact", compactDisplay: "long" }, [1234567]],
  [{ style: "unit", unit: "kilometer-per-hour" }, [50]],
  [{ style: "unit", unit: "liter", unitDisplay: "long" }, [1, 16]],
  [{ style: "unit", unit: "megabyte", unitDisplay: "narrow" }, [16]],
  [{ roundingMode: "floor", maximumFractionDigits: 0 }, [2.9, -2.1]],
];
for (const locale of LOCALES) {
  for (const [options, values] of numbers) {
    for (const value of values) {
      const name = `number ${locale} ${JSON.stringify(options)} ${value}`;
      both(name, () => new Intl.NumberFormat(locale, options).format(value), () => new theirs.Intl.NumberFormat(locale, options).format(value));
    }
  }
}

const dates = [
  {}, { dateStyle: "full" }, { dateStyle: "long" }, { dateStyle: "medium" }, { dateStyle: "short" },
  { timeStyle: "medium" }, { timeStyle: "short" }, { dateStyle: "medium", timeStyle: "short" }, { dateStyle: "long", timeStyle: "short" },
  { year: "numeric", month: "long", day: "numeric" }, { year: "numeric", month: "short", day: "numeric" },
  { weekday: "long", year: "numeric", month: "long", day: "numeric" }, { weekday: "short" }, { month: "long" }, { month: "short" },
  { month: "long", day: "numeric" }, { year: "numeric", month: "long" }, { year: "numeric", month: "2-digit", day: "2-digit" },
  { hour: "2-digit", minute: "2-digit" }, { hour: "numeric", minute: "2-digit", second: "2-digit" }, { hour: "numeric", minute: "2-digit", hour12: false },
  { hour: "numeric", hour12: true }, { day: "numeric" }, { year: "numeric" }, { weekday: "short", month: "short", day: "numeric" },
  { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" },
];
const moments = [Date.UTC(2026, 10, 21, 15, 4, 5, 67), Date.UTC(2024, 1, 3, 0, 30)];
const zones = ["UTC", "America/New_York"];
for (const locale of LOCALES) {
  for (const options of dates) {
    moments.forEach((moment, n) => {
      const told = { ...options, timeZone: zones[n] };
      const name = `date ${locale} ${JSON.stringify(told)} ${n}`;
      both(name, () => new Intl.DateTimeFormat(locale, told).format(moment), () => new theirs.Intl.DateTimeFormat(locale, told).format(moment));
    });
  }
}

const one = (name, work) => both(name, () => work(Intl), () => work(theirs.Intl));
for (const zone of ["Europe/Berlin", "Asia/Kolkata", "+05:30", "america/sao_paulo", "Nowhere/Land", "../etc/passwd", ""]) {
  one(`zone ${zone}`, (I) => new I.DateTimeFormat("en-US", { timeZone: zone, dateStyle: "short", timeStyle: "long" }).format(0));
}
one("zone at the change", (I) => [1774746000000 - 1, 1774746000000].map((t) => new I.DateTimeFormat("de", { timeZone: "Europe/Berlin", timeStyle: "medium" }).format(t)));
one("zone names", (I) => ["short", "long", "shortOffset", "longOffset"].map((timeZoneName) => new I.DateTimeFormat("en-US", { timeZone: "America/New_York", timeZoneName }).format(0)));
one("parts of a number", (I) => new I.NumberFormat("de", { style: "currency", currency: "EUR" }).formatToParts(-1234.5));
one("parts of a compact number", (I) => new I.NumberFormat("en", { notation: "compact" }).formatToParts(1234));
one("parts of a percentage", (I) => new I.NumberFormat("en", { style: "percent" }).formatToParts(0.5));
one("parts of a date", (I) => new I.DateTimeFormat("en-US", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }).formatToParts(0));
one("fractions of a second", (I) => new I.DateTimeFormat("en-US", { minute: "numeric", second: "numeric", fractionalSecondDigits: 3, timeZone: "UTC" }).format(61007));
one("far away", (I) => new I.DateTimeFormat("en-US", { timeZone: "UTC", year: "numeric", era: "short" }).format(-8.64e15 / 2));
one("no date", (I) => new I.DateTimeFormat("en").format(NaN));
for (const options of [{ timeStyle: "short", hour: "numeric" }, { month: "tiny" }, { fractionalSecondDigits: 9 }]) one(`date ${JSON.stringify(options)}`, (I) => new I.DateTimeFormat("en", options).format(0));
for (const options of [{ style: "currency" }, { style: "currency", currency: "EURO" }, { style: "unit" }, { style: "unit", unit: "banana" }, { maximumFractionDigits: 101 }, { minimumFractionDigits: 5, maximumFractionDigits: 2 }, { notation: "x" }]) {
  one(`number ${JSON.stringify(options)}`, (I) => new I.NumberFormat("en", options).format(1));
}
for (const locale of ["x", "en_US", "de--DE", "", null, 5, "zz-ZZ-zz-zzz", "tlh"]) one(`locale ${locale}`, (I) => new I.NumberFormat(locale).format(1));
one("called without new", (I) => I.NumberFormat("de").format(1.5) + (I.DateTimeFormat() instanceof I.DateTimeFormat));
one("resolved number", (I) => { const { locale, style, currency, minimumFractionDigits, maximumFractionDigits } = new I.NumberFormat("de-AT", { style: "currency", currency: "eur" }).resolvedOptions(); return { locale, style, currency, minimumFractionDigits, maximumFractionDigits }; });
one("resolved date", (I) => { const { locale, calendar, timeZone, hourCycle, hour12, hour } = new I.DateTimeFormat("en", { timeZone: "europe/berlin", hour: "numeric" }).resolvedOptions(); return { locale, calendar, timeZone, hourCycle, hour12, hour }; });
one("bound", (I) => [1, 2.5].map(new I.NumberFormat("de").format));
one("supported", (I) => I.NumberFormat.supportedLocalesOf(["de", "xx-yy", "en-US"]));
for (const locale of ["en", "ru", "ar", "pl", "ja", "fr"]) {
  const samples = [0, 1, 2, 3, 5, 11, 21, 22, 100, 1.5, 1000000];
  one(`plurals ${locale}`, (I) => samples.map((n) => new I.PluralRules(locale).select(n)));
  one(`ordinals ${locale}`, (I) => samples.slice(0, 9).map((n) => new I.PluralRules(locale, { type: "ordinal" }).select(n)));
  for (const style of ["long", "short"]) {
    one(`relative ${locale} ${style}`, (I) => [[-1, "day"], [3, "hours"], [-2.5, "week"], [5, "month"], [0, "year"]].map(([n, unit]) => new I.RelativeTimeFormat(locale, { style }).format(n, unit)));
  }
  for (const type of ["conjunction", "disjunction"]) one(`list ${locale} ${type}`, (I) => [[], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]].map((list) => new I.ListFormat(locale, { type }).format(list)));
}
one("near", (I) => [-1, 0, 1].flatMap((n) => ["day", "week", "month", "year"].map((unit) => new I.RelativeTimeFormat("en", { numeric: "auto" }).format(n, unit))));
one("no unit", (I) => new I.RelativeTimeFormat("en").format(1, "banana"));
one("names", (I) => [new I.DisplayNames("de", { type: "region" }).of("FR"), new I.DisplayNames("en", { type: "language" }).of("pt"), new I.DisplayNames("en", { type: "currency" }).of("EUR")]);
const WORDS = ["zebra", "Äpfel", "apfel", "Apfel", "10 a", "9 b", "étude", "etude", "Etude", "ñandú", "nube", "ostrich", "Zürich", "_x", " y", "ab c", "abc", "a-b", "Öl", "ølberg", "Åre"];
for (const [locale, options] of [["en", {}], ["de", {}], ["en", { numeric: true }], ["sv", {}], ["da", {}], ["en", { caseFirst: "upper" }]]) {
  one(`sorted ${locale} ${JSON.stringify(options)}`, (I) => [...WORDS].sort(new I.Collator(locale, options).compare));
}
for (const sensitivity of ["base", "accent", "case", "variant"]) {
  const pairs = [["a", "A"], ["a", "ä"], ["a", "b"], ["résumé", "Resume"], ["file2", "file10"], ["ß", "ss"]];
  one(`compared ${sensitivity}`, (I) => pairs.map(([x, y]) => new I.Collator("en", { sensitivity }).compare(x, y)));
}
const date = new Date(Date.UTC(2026, 10, 21, 15, 4, 5));
const methods = [
  ["Date", "toLocaleString", date, ["en-US"]], ["Date", "toLocaleDateString", date, ["de"]], ["Date", "toLocaleTimeString", date, ["fr", { hour: "2-digit", minute: "2-digit" }]],
  ["Date", "toLocaleDateString", date, ["en", { timeStyle: "short" }]], ["Date", "toLocaleString", new Date(NaN), []], ["Date", "toLocaleDateString", date, [undefined, { month: "long" }]],
  ["Date", "toLocaleTimeString", date, ["en-US", { timeZone: "Asia/Tokyo", timeZoneName: "short" }]], ["Number", "toLocaleString", 1234.5, ["de"]], ["Number", "toLocaleString", 1234.5, []],
  ["BigInt", "toLocaleString", 123456789012345678901234567890n, ["en"]], ["String", "localeCompare", "ä", ["z", "de"]], ["String", "localeCompare", "a", ["b"]], ["String", "localeCompare", "a", ["B", undefined, { sensitivity: "base" }]],
];
for (const [kind, method, value, given] of methods) both(`${method} ${given}`, () => value[method](...given), () => theirs[kind][method].call(value, ...given));
both("an array", () => [1234.5, date, null].toLocaleString("de", { timeZone: "UTC" }), () => "1.234,5,21.11.2026, 15:04:05,");
return out;
