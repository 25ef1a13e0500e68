const { table } = require("./table");

const PIECES = [
  "# Title", "## Title *with* `code`", "Title\n=====", "Title\n---", "plain text", "two\nlines  \nbroken", "**bold** and *soft* and ***both***", "__bold__ _soft_ ~~gone~~",
  "`code` and ``co`de``", "```js\nlet a = 1 < 2;\n```", "~~~\n<b>\n~~~", "    indented code", "- one\n- two\n  - inner\n- three", "* a\n\n* b", "1. one\n2. two\n10. ten", "3) three",
  "- [ ] to do\n- [x] done", "> quote\n> more\n\nafter", "> > deep", "---", "***", "[link](https://example.org \"title\")", "[ref][one]\n\n[one]: /url 'T'", "<https://example.org>", "https://example.org/a?b=1&c",
  "![picture](/a.png \"alt\")", "| a | b |\n|---|:-:|\n| 1 | 2 |\n| `x` | **y** |", "| a |\n| - |\n| 1 | 2 |", "<div>raw <b>html</b></div>", "a <b>inline</b> c", "<!-- comment -->", "&amp; &copy; &nosuch; &#35;",
  "\\*not soft\\*", "a\\\nb", "*un*closed **bold", "[not a link](", "[a](<b c>)", "[x](javascript:alert(1))", "![](a)", "# #", "####### seven", "umläut 🥚 *größer*", "a*b*c a_b_c", "**a**b", "<script>alert(1)</script>",
  "term\n: no definition", "a  b\tc", "\tcode by tab", "1986\\. a year", "+ plus\n+ list", "[a]: <b> \"c\"\n\n[a]", "``` \nunclosed", "foo@example.org", "www.example.org", "\u00a0space", "",
];
const OPTIONS = [{}, { gfm: false }, { breaks: true }, { pedantic: true }, { gfm: true, breaks: true, silent: true }];

module.exports = (marked) => {
  const t = table(2);
  const quiet = { mangle: false, headerIds: false };
  const call = (text, options) => t.add(`${JSON.stringify(options)} ${JSON.stringify(text)}`, () => marked.marked.parse(text, { ...quiet, ...options }));
  for (const piece of PIECES) for (const options of OPTIONS) call(piece, options);
  for (let n = 0; n < 80; n++) call(t.many(() => t.one(PIECES), 6).join(t.one(["\n", "\n\n", "\n\n\n", " "])), t.one(OPTIONS));
  for (const piece of PIECES) t.add(`inline ${JSON.stringify(piece)}`, () => marked.marked.parseInline(piece, quiet));
  for (const piece of PIECES.slice(0, 30)) t.add(`tokens ${JSON.stringify(piece)}`, () => marked.marked.lexer(piece));
  t.add("called itself", () => marked.marked("# x", quiet));
  t.add("an instance of one's own", () => new marked.Marked({ renderer: { heading: (text, level) => `<h${level} own>${text}</h${level}>` } }).parse("# x"));
  t.add("an extension", () => {
    const nest = { name: "nest", level: "inline", start: (src) => src.indexOf("@@"), tokenizer: (src) => { const found = /^@@(\w+)/.exec(src); return found ? { type: "nest", raw: found[0], text: found[1] } : undefined; }, renderer: (token) => `<i>${token.text}</i>` };
    return new marked.Marked({ extensions: [nest] }).parse("a @@egg b");
  });
  t.add("later", () => new marked.Marked({ async: true, walkTokens: async (token) => { if (token.type === "text") token.text += "!"; } }).parse("a *b*"));
  t.add("no text", () => marked.marked.parse(null));
  t.add("deep quotes", () => marked.marked.parse(">".repeat(50) + " x", quiet).length);
  return t.calls;
};
