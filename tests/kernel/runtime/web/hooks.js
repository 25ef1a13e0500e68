// What the driver of the guest relies on; each line says true or what it is instead.
const is = (name, value, wanted) =>
  print(name, JSON.stringify(value) === JSON.stringify(wanted) ? true : JSON.stringify(value));
const { abort, bodyOf, headersList, makeFile, makeRequest, makeResponse, makeSignal } = __web;
const attempt = (act) => {
  try {
    return act();
  } catch (error) {
    return error.name;
  }
};
const main = async () => {
  let asked = 0;
  const lazy = makeRequest({
    method: "POST",
    url: () => {
      asked++;
      return "http://a/b";
    },
    headers: () => {
      asked++;
      return [
        ["content-type", "text/plain"],
        ["a", "1"],
        ["a", "2"],
      ];
    },
    body: {
      bytes: () => {
        asked++;
        return new Uint8Array([104, 105]);
      },
    },
    signal: () => {
      asked++;
      return makeSignal();
    },
  });
  is("nothing asked", [asked, lazy.bodyUsed, lazy instanceof Request], [0, false, true]);
  is("url once", [lazy.url, lazy.url, asked], ["http://a/b", "http://a/b", 1]);
  is("headers", [lazy.headers.get("a"), attempt(() => lazy.headers.set("x", "y")), asked], ["1, 2", "TypeError", 2]);
  is("signal", [lazy.signal === lazy.signal, asked], [true, 3]);
  const copy = lazy.clone();
  is("text", [await lazy.text(), asked, lazy.bodyUsed, await copy.text()], ["hi", 4, true, "hi"]);
  const streamed = makeRequest({
    method: "POST",
    url: "http://a/",
    headers: [],
    body: { stream: () => new Blob(["str"]).stream() },
  });
  is("stream", [await streamed.text(), streamed.bodyUsed], ["str", true]);
  const both = makeRequest({
    method: "POST",
    url: "http://a/",
    headers: [],
    body: { stream: () => new Blob(["str"]).stream() },
  });
  const other = both.clone();
  is("two streams", [await both.text(), await other.text()], ["str", "str"]);
  const form = makeRequest({
    method: "POST",
    url: "http://a/",
    headers: [],
    body: { bytes: () => new Uint8Array(0) },
    form: async () => {
      const data = new FormData();
      data.append("f", makeFile({ name: "n", type: "a/b", size: 3, bytes: () => new Uint8Array([1, 2, 3]) }));
      return data;
    },
  });
  const file = (await form.formData()).get("f");
  is(
    "form",
    [file.name, file.type, file.size, (await file.arrayBuffer()).byteLength, form.bodyUsed],
    ["n", "a/b", 3, 3, true],
  );
  is(
    "no body",
    [makeRequest({ method: "GET", url: "http://a/", headers: [] }).body, bodyOf(new Response())],
    [null, null],
  );
  is("text body", bodyOf(new Response("x\ud800")), { text: "x\ufffd", type: "text/plain;charset=UTF-8" });
  is("bytes body", [...bodyOf(new Response(new Uint8Array([1, 2]))).bytes], [1, 2]);
  is("blob body", [...bodyOf(new Response(new Blob(["a"]))).bytes], [97]);
  const whole = new Response(new ReadableStream());
  is("stream body", bodyOf(whole).stream instanceof ReadableStream, true);
  is("taken", [whole.bodyUsed, attempt(() => bodyOf(whole))], [true, "TypeError"]);
  const seen = new Response("seen");
  is("seen", [seen.body instanceof ReadableStream, bodyOf(seen).stream === seen.body], [true, true]);
  is(
    "list",
    headersList(
      new Headers([
        ["B", "1"],
        ["set-cookie", "x"],
        ["a", "2"],
        ["b", "3"],
        ["set-cookie", "y"],
      ]),
    ),
    [
      ["b", "1, 3"],
      ["a", "2"],
      ["set-cookie", "x"],
      ["set-cookie", "y"],
    ],
  );
  const arrived = makeResponse({
    status: 301,
    headers: [["location", "/x"]],
    url: "http://a/b#c",
    redirected: true,
    body: { bytes: () => new Uint8Array([97]) },
  });
  is(
    "arrived",
    [
      arrived.status,
      arrived.url,
      arrived.redirected,
      await arrived.text(),
      attempt(() => arrived.headers.delete("location")),
    ],
    [301, "http://a/b", true, "a", "TypeError"],
  );
  const signal = makeSignal();
  abort(signal, "gone");
  is("abort", [signal.aborted, signal.reason], [true, "gone"]);
  is("huge host", URL.canParse(`http://${"a.".repeat(200000)}b/`), true);
  is("huge path", new URL(`http://a/${"../x/".repeat(100000)}`).pathname, "/x/");
  is("many pairs", new URLSearchParams("a=1&".repeat(100000)).size, 100000);
  is(
    "long value",
    attempt(() => new Headers({ a: `${" ".repeat(100000)}x${" ".repeat(100000)}` }).get("a")),
    "x",
  );
  is("inner blanks", new Headers({ a: `x${" ".repeat(100000)}y` }).get("a").length, 100002);
  is(
    "many parts",
    [
      ...(await new Response(`${'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(5000)}--x--`, {
        headers: { "content-type": "multipart/form-data; boundary=x" },
      }).formData()),
    ].length,
    5000,
  );
  const text = "\ud800é€😀a".repeat(50000);
  is("wide text", new TextDecoder().decode(new TextEncoder().encode(text)) === text.toWellFormed(), true);
  is("bad bytes", new TextDecoder().decode(new Uint8Array(100000).fill(0xff)).length, 100000);
  let deep = {};
  for (let at = 0; at < 100000; at++) deep = { deep };
  let copied = attempt(() => structuredClone(deep));
  let depth = 0;
  for (; copied.deep; copied = copied.deep) depth++;
  is("deep", depth, 100000);
  is("slices", await new Blob(["0123456789"]).slice(1.9, "4").text(), "123");
  is(
    "no own slices",
    [
      new Blob(["abc"]).slice(NaN, 2).size,
      new Blob(["abc"]).slice(Infinity).size,
      new Blob(["abc"]).slice(0, -Infinity).size,
    ],
    [2, 0, 0],
  );
};
main().catch((error) => print("FAILED", error.name, error.message, error.stack));
