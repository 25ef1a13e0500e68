const { table } = require("./table");

const FORMATS = ["YYYY-MM-DDTHH:mm:ss.SSSZ", "D/M/YY h:mm a", "dddd, MMMM D", "ddd MMM DD YYYY HH:mm:ss", "[at] H[h] m", "ZZ A SSS", "YYYY [year] d dd", ""];
const UNITS = ["millisecond", "second", "minute", "hour", "day", "week", "month", "year"];
const TEXTS = ["2024-02-29", "2023-12-31T23:59:59.999Z", "2024-01-01 00:00:00", "20240115", "2024/3/5 7:08:09", "2024-06-15T12:00:00+02:00", "1969-07-20T20:17:40Z", "nonsense", "", "2024-13-45", "2024", "Sat, 01 Jun 2024 10:00:00 GMT", "-000001-01-01T00:00:00Z"];

module.exports = (dayjs) => {
  const t = table(3);
  const moment = () => t.int(-2e12, 4e12);
  const show = (day) => [day.isValid(), day.isValid() ? day.toISOString() : null];
  for (const text of TEXTS) {
    t.add(`parse ${text}`, () => show(dayjs(text)));
    t.add(`format of ${text}`, () => dayjs(text).format());
    t.add(`parts of ${text}`, () => ["year", "month", "date", "day", "hour", "minute", "second", "millisecond"].map((unit) => dayjs(text)[unit]()));
  }
  for (let n = 0; n < 12; n++) {
    for (const format of FORMATS) { const at = moment(); t.add(`format ${format} ${at}`, () => dayjs(at).format(format)); }
    for (const unit of UNITS) {
      const [at, other, count] = [moment(), moment(), t.int(-40, 40)];
      t.add(`add ${count} ${unit} ${at}`, () => show(dayjs(at).add(count, unit)));
      t.add(`startOf ${unit} ${at}`, () => show(dayjs(at).startOf(unit)));
      t.add(`endOf ${unit} ${at}`, () => show(dayjs(at).endOf(unit)));
      t.add(`diff ${unit} ${at} ${other}`, () => [dayjs(at).diff(other, unit), dayjs(at).diff(other, unit, true)]);
      t.add(`same ${unit} ${at} ${other}`, () => [dayjs(at).isSame(other, unit), dayjs(at).isBefore(other, unit), dayjs(at).isAfter(other, unit)]);
    }
    const at = moment();
    t.add(`set ${at}`, () => show(dayjs(at).set("month", n).set("date", 31).hour(5).minute(61)));
    t.add(`month's days ${at}`, () => [dayjs(at).daysInMonth(), dayjs(at).unix(), dayjs(at).valueOf(), dayjs(at).utcOffset()]);
    t.add(`to JSON ${at}`, () => [JSON.stringify({ at: dayjs(at) }), dayjs(at).toString(), dayjs(at).toDate()]);
  }
  t.add("from a Date", () => show(dayjs(new Date(5))));
  t.add("of nothing", () => show(dayjs(null)));
  t.add("a plugin", () => { dayjs.extend((option, Day) => { Day.prototype.egg = function () { return `egg ${this.year()}`; }; }); return dayjs(0).egg(); });
  t.add("a locale", () => dayjs.locale({ name: "nest", months: Array.from({ length: 12 }, (_, n) => `m${n}`), weekdays: "a_b_c_d_e_f_g".split("_"), weekStart: 1 }, null, true));
  t.add("in a locale", () => dayjs(0).locale("nest").format("MMMM dddd"));
  t.add("isDayjs", () => [dayjs.isDayjs(dayjs()), dayjs.isDayjs(new Date())]);
  t.add("clone", () => { const day = dayjs(0); return day.clone().add(1, "day").diff(day); });
  return t.calls;
};
