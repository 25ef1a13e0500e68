const attempt = async (act) => {
  try {
    return await act();
  } catch (error) {
    return error.name;
  }
};
const show = async (message) => {
  const facts =
    message instanceof Response
      ? [message.status, message.ok, message.statusText, message.type, message.redirected, message.url]
      : [
          message.method,
          message.url,
          message.mode,
          message.credentials,
          message.cache,
          message.redirect,
          message.integrity,
          message.keepalive,
          message.referrer,
          message.referrerPolicy,
          message.destination,
          message.duplex,
        ];
  print(
    JSON.stringify([
      ...facts,
      [...message.headers].map(([name, value]) => [name, value.replace(/boundary=.*/, "boundary")]),
      message.bodyUsed,
      message.body === null,
    ]),
  );
};
const main = async () => {
  const buffer = new Uint8Array([104, 105]).buffer;
  const bodies = {
    none: undefined,
    null: null,
    text: "hi é",
    empty: "",
    lone: "\ud800",
    bom: "\ufeffx",
    number: 5,
    bytes: new Uint8Array([104, 105, 255]),
    buffer,
    view: new DataView(buffer, 1),
    params: new URLSearchParams("a=1&b=é"),
    blob: new Blob(["x"], { type: "image/PNG" }),
    blank: new Blob(["x"]),
    object: {},
    array: [1, 2],
    date: { toString: () => "own" },
  };
  for (const name in bodies) {
    const response = new Response(bodies[name]);
    print(name);
    await show(response);
    for (const method of ["text", "arrayBuffer", "blob", "json", "formData"]) {
      const copy = new Response(bodies[name]);
      const value = await attempt(() => copy[method]());
      print(
        method,
        value instanceof ArrayBuffer
          ? new Uint8Array(value)
          : value instanceof Blob
            ? [value.type, value.size]
            : value instanceof FormData
              ? JSON.stringify([...value])
              : JSON.stringify(value),
        copy.bodyUsed,
        await attempt(() => copy.text()),
      );
    }
    await show(await response.clone());
    print(await response.text());
    print(await attempt(() => response.clone()), response.body?.locked, response.bodyUsed);
  }
  for (const init of [
    { status: 204 },
    { status: 99 },
    { status: 600 },
    { status: 199 },
    { status: "201" },
    { status: 200.9 },
    { status: NaN },
    { status: 101 },
    { status: 304 },
    { statusText: "A b" },
    { statusText: "a\nb" },
    { statusText: "é" },
    { statusText: "€" },
    { headers: 1 },
    { headers: null },
    { headers: { a: "b" } },
    { headers: [["content-type", "x/y"]] },
    null,
    5,
    "x",
    [],
  ]) {
    for (const body of [null, "x"]) {
      const response = await attempt(() => new Response(body, init));
      if (typeof response === "string") print(JSON.stringify(init), response);
      else await show(response);
    }
  }
  for (const call of [
    () => Response.json({ a: 1 }),
    () => Response.json(null, { status: 404, headers: { "Content-Type": "a/b" } }),
    () => Response.json(undefined),
    () => Response.json(() => {}),
    () => Response.json(1n),
    () =>
      Response.json({
        get x() {
          throw new RangeError("evil");
        },
      }),
    () => Response.json(),
    () => Response.json("é\ud800"),
    () => Response.json(1, { status: 204 }),
    () => Response.redirect("http://a/b c"),
    () => Response.redirect("http://a", 301),
    () => Response.redirect("http://a", 200),
    () => Response.redirect("/rel"),
    () => Response.redirect("http://a", "x"),
    () => Response.error(),
    () => new Request("http://a"),
    () => Response("x"),
  ]) {
    const response = await attempt(call);
    if (typeof response === "string") print(response);
    else await show(response);
    if (response instanceof Response) print(await response.text());
  }
  print(
    await attempt(() => Response.error().headers.append("a", "b")),
    await attempt(() => Response.redirect("http://a").headers.set("a", "b")),
  );
  for (const [input, init] of [
    ["http://a"],
    ["http://a/#h"],
    ["nope"],
    ["http://u:p@a"],
    ["http://a", { method: "post" }],
    ["http://a", { method: "patch" }],
    ["http://a", { method: "PaTcH" }],
    ["http://a", { method: "trace" }],
    ["http://a", { method: "a b" }],
    ["http://a", { method: "" }],
    ["http://a", { body: "x" }],
    ["http://a", { method: "HEAD", body: "x" }],
    ["http://a", { method: "POST", body: "x" }],
    ["http://a", { method: "PUT", body: new Uint8Array(2), headers: { "content-type": "x/y" } }],
    ["http://a", { mode: "navigate" }],
    ["http://a", { mode: "no-cors" }],
    ["http://a", { mode: "x" }],
    ["http://a", { credentials: "include" }],
    ["http://a", { cache: "no-store" }],
    ["http://a", { cache: "only-if-cached" }],
    ["http://a", { redirect: "manual" }],
    ["http://a", { redirect: "x" }],
    ["http://a", { keepalive: 1 }],
    ["http://a", { integrity: "abc" }],
    ["http://a", { referrerPolicy: "origin" }],
    ["http://a", { referrerPolicy: "x" }],
    ["http://a", { referrer: "" }],
    ["http://a", { referrer: "nope" }],
    ["http://a", { signal: 5 }],
    ["http://a", { signal: null }],
    ["http://a", { window: 5 }],
    ["http://a", { window: null }],
    ["http://a", { method: "POST", body: new ReadableStream() }],
    ["http://a", { method: "POST", body: new ReadableStream(), duplex: "half" }],
    ["http://a", { method: "POST", body: "x", duplex: "full" }],
    [new URL("http://a/b")],
    [{ toString: () => "http://a/c" }],
    ["http://a", 5],
    ["http://a", { method: "POST", body: null }],
    ["http://a", { headers: { a: "1", A: "2" } }],
  ]) {
    const request = await attempt(() => new Request(input, init));
    if (typeof request === "string") print(String(input), Object.keys(init ?? {}), request);
    else await show(request);
  }
  const first = new Request("http://a/x", { method: "POST", body: "abc", headers: { q: "r" } });
  const clone = first.clone();
  const second = new Request(first);
  print(first.bodyUsed, await attempt(() => first.text()), await second.text(), await clone.text());
  print(await attempt(() => new Request(first)), await attempt(() => new Request(first, { body: "new" }).text()));
  await show(new Request(new Request("http://a", { method: "PUT", body: "x" }), { method: "DELETE" }));
  const controller = new AbortController();
  const followed = new Request("http://a", { signal: controller.signal });
  const again = followed.clone();
  controller.abort("why");
  print(
    followed.signal.aborted,
    followed.signal.reason,
    again.signal.aborted,
    followed.signal === controller.signal,
    new Request("http://a").signal.aborted,
  );
  const streamed = new Response(
    new ReadableStream({
      start(one) {
        one.enqueue(new Uint8Array([97]));
        one.enqueue(new Uint8Array([0xc3]));
        one.enqueue(new Uint8Array([0xa9]));
        one.close();
      },
    }),
  );
  const other = streamed.clone();
  print(await streamed.text(), await other.text(), streamed.bodyUsed);
  print(
    await attempt(() =>
      new Response(
        new ReadableStream({
          start(one) {
            one.enqueue("text");
            one.close();
          },
        }),
      ).text(),
    ),
  );
  print(
    await attempt(() =>
      new Response(
        new ReadableStream({
          start(one) {
            one.error(new EvalError("x"));
          },
        }),
      ).text(),
    ),
  );
  const locked = new ReadableStream();
  locked.getReader();
  print(await attempt(() => new Response(locked)));
  const read = new Response("hello");
  const reader = read.body.getReader();
  print(await attempt(() => read.text()), read.bodyUsed);
  const chunk = await reader.read();
  print(new TextDecoder().decode(chunk.value), chunk.done, (await reader.read()).done, read.bodyUsed);
  const response = new Response("a=1&b=%C3%A9+x&c", {
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  print(JSON.stringify([...(await response.formData())]));
  print(
    await attempt(() => new Response("{", {}).json()),
    await attempt(() => new Response("").json()),
    JSON.stringify(await new Response("\ufeff[1]").json()),
  );
  for (const name of ["text", "clone"])
    print(
      await attempt(() => Response.prototype[name].call({})),
      await attempt(() => Reflect.get(Response.prototype, "status", {})),
    );
  print(
    Object.prototype.toString.call(response),
    Object.prototype.toString.call(first),
    Response.length,
    Request.length,
    Response.name,
  );
  const kept = new Uint8Array([1, 2, 3]);
  const copied = new Response(kept);
  kept[0] = 9;
  print(new Uint8Array(await copied.arrayBuffer()), "a" in new Response("x"), "headers" in new Response("x"));
};
main().catch((error) => print("FAILED", error.name, error.message));
