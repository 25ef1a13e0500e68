const { table } = require("./table");

const PAGES = [
  '<ul id="f"><li class="a">One</li><li class="b c">Two</li><li data-n="3">Three &amp; four</li></ul>',
  "<table><tr><td>1<td>2<tr><td>3</table>", "<p>un<b>closed<p>next", "<div><!-- c --><script>1<2</script><style>a{}</style></div>", "<a href='/x?a=1&b=2'>x</a><img src=y><br/>",
  "<form><input name=a value=1><select name=b><option selected>2</select><textarea name=c>3</textarea></form>", "plain", "",
];
const SELECTORS = ["li", "li.b", "#f > li:nth-child(2)", "[data-n='3']", "td", "b", "li:contains(Two)", ":not(li)", "ul li + li", "a[href^='/x']", "input, select", "nothing"];

module.exports = (cheerio) => {
  const t = table(5);
  const load = (page) => cheerio.load(page);
  for (const page of PAGES) {
    t.add(`html ${page}`, () => load(page).html());
    t.add(`xml ${page}`, () => cheerio.load(page, { xml: true }).xml());
    t.add(`fragment ${page}`, () => cheerio.load(page, null, false).html());
    t.add(`text ${page}`, () => load(page).text());
    for (const selector of SELECTORS) {
      t.add(`${selector} in ${page}`, () => { const $ = load(page); return $(selector).map((_, found) => $(found).text()).get(); });
    }
    t.add(`form ${page}`, () => load(page)("form").serializeArray());
  }
  t.add("changes", () => { const $ = load(PAGES[0]); $("li").first().addClass("x").attr("title", '"<').text("<new>"); $("ul").append("<li>4</li>").prepend("0"); $(".b").remove(); return $.html(); });
  t.add("walks", () => { const $ = load(PAGES[0]); return [$(".b").prev().text(), $(".b").next().attr("data-n"), $("li").index($(".b")), $(".b").parent().attr("id"), $("li").eq(-1).data("n"), $("li").toArray().length]; });
  t.add("wraps", () => { const $ = load("<b>1</b>"); $("b").wrap("<i class='w'></i>").after("2").replaceWith("<u>3</u>"); return $.html(); });
  t.add("css", () => { const $ = load("<p style='color: red'>"); $("p").css("top", "1px"); return [$("p").css("color"), $.html()]; });
  t.add("extract", () => load(PAGES[0]).extract({ all: ["li"], second: ".b", n: { selector: "[data-n]", value: "data-n" } }));
  t.add("a bad selector", () => load("<p>")("p["));
  return t.calls;
};
