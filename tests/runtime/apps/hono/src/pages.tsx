/** @jsx jsx */
/** @jsxFrag Fragment */
import { Hono } from "hono";
import { html, raw } from "hono/html";
import { Fragment, jsx } from "hono/jsx";
import { jsxRenderer } from "hono/jsx-renderer";

export const pages = new Hono();

const List = ({ items }: { items: string[] }) => (
  <ul class="list">
    {items.map((item) => (
      <li key={item}>{item}</li>
    ))}
  </ul>
);
const Later = async ({ name }: { name: string }) => <p>{await Promise.resolve(name)} came later</p>;

pages.use("/framed/*", jsxRenderer(({ children, title }) => (
  <html lang="en">
    <head>
      <title>{title}</title>
    </head>
    <body>{children}</body>
  </html>
)));
pages.get("/framed/:name", (c) => c.render(<h1>{c.req.param("name")}</h1>, { title: "Nest" }));
pages.get("/list", (c) => c.html(<List items={c.req.queries("item") ?? []} />));
pages.get("/later", (c) => c.html(<><Later name="wren" /><hr /><input disabled value={'"<&'} /></>));
pages.get("/template", (c) => c.html(html`<p title="${c.req.query("title") ?? ""}">${raw("<b>bold</b>")} ${["<", 1, null]}</p>`));
