// The libraries that `require` knows by name.
import * as cheerio from "cheerio";
import dayjs from "dayjs";
import advancedFormat from "dayjs/plugin/advancedFormat";
import customParseFormat from "dayjs/plugin/customParseFormat";
import duration from "dayjs/plugin/duration";
import isBetween from "dayjs/plugin/isBetween";
import isoWeek from "dayjs/plugin/isoWeek";
import relativeTime from "dayjs/plugin/relativeTime";
import timezone from "dayjs/plugin/timezone";
import utc from "dayjs/plugin/utc";
import lodash from "lodash";
import * as markedAll from "marked";
import { v1, v3, v4, v5, NIL, parse, stringify, validate, version } from "uuid";
import validator from "validator";
import * as zod from "zod";

const plugins = {
  advancedFormat, customParseFormat, duration, isBetween, isoWeek, relativeTime, timezone, utc,
};

// `marked(text)` as well as `marked.parse(text)` and `const { marked } = require("marked")`
const marked = Object.assign((...given) => markedAll.marked(...given), markedAll.marked, markedAll);
globalThis.__libs = {
  lodash,
  cheerio: { ...cheerio },
  uuid: { v1, v3, v4, v5, NIL, parse, stringify, validate, version },
  zod: { ...zod },
  marked,
  dayjs,
  validator,
  ...Object.fromEntries(Object.entries(plugins).map(([name, plugin]) => [`dayjs/plugin/${name}`, plugin])),
};
