const attempt = async (act) => {
  try {
    return await act();
  } catch (error) {
    return error.name;
  }
};
const entries = async (form) => {
  const list = [];
  for (const [name, value] of form)
    list.push([name, typeof value === "string" ? value : [value.name, value.type, value.size, await value.text()]]);
  return JSON.stringify(list);
};
const main = async () => {
  for (const [parts, options] of [
    [],
    [[]],
    [["a", "é", "\ud800"]],
    [[new Uint8Array([1, 2]), new Uint8Array([3]).buffer, new DataView(new ArrayBuffer(2), 1)]],
    [[new Blob(["x"]), new File(["y"], "n")]],
    [["a"], { type: "Text/PLAIN" }],
    [["a"], { type: "é" }],
    [["a\nb\r\nc\rd"], { endings: "native" }],
    [["a"], { endings: "x" }],
    ["abc"],
    [5],
    [null],
    [[1, null, undefined, {}]],
    [new Set(["p", "q"])],
    [["a"], 5],
    [[Symbol("x")]],
    [
      {
        [Symbol.iterator]: () => {
          throw new EvalError("evil");
        },
      },
    ],
  ]) {
    const blob = await attempt(() => new Blob(parts, options));
    if (typeof blob === "string") print(blob);
    else print(blob.size, blob.type, JSON.stringify(await blob.text()), new Uint8Array(await blob.arrayBuffer()));
  }
  const blob = new Blob(["0123456789"], { type: "a/b" });
  for (const range of [[], [2], [2, 5], [-3], [-3, -1], [5, 2], [0, 100], [2, undefined], [-100, 2]]) {
    const piece = blob.slice(...range);
    print(range, piece.size, await piece.text(), piece.type);
  }
  print(blob.slice(0, 5, "X/Y").type, await blob.slice(2, 8).slice(1, 3).text(), Object.prototype.toString.call(blob));
  const pieces = [];
  for await (const piece of blob.stream()) pieces.push(...piece);
  print(pieces);
  const file = new File(["x"], "a/b.txt", { type: "text/plain", lastModified: 12.7 });
  print(file.name, file.type, file.size, file.lastModified, file instanceof Blob, Object.prototype.toString.call(file));
  print(
    await attempt(() => new File(["x"])),
    await attempt(() => new File()),
    await attempt(() => new File("x", "y")),
    new File([], "\ud800").name === "\ufffd",
    typeof new File([], "x").lastModified,
  );
  const form = new FormData();
  form.append("a", "1");
  form.append("a", 2);
  form.append("b", null);
  form.append("f", new Blob(["bl"], { type: "x/y" }));
  form.append("f", new File(["fi"], "n.txt"));
  form.append("f", new File(["fi"], "n.txt", { type: "q/r" }), "other.txt");
  form.append("\ud800", "\udc00");
  print(await entries(form));
  print(form.get("a"), form.get("none"), form.getAll("a"), form.has("b"), form.has("none"));
  form.set("a", "only");
  form.set("new", "x");
  form.delete("b");
  print(await entries(form));
  for (const call of [
    () => form.append("a"),
    () => form.append("a", "b", "c"),
    () => form.set("a", {}, "c"),
    () => form.get(),
    () => new FormData(5),
    () => FormData.prototype.get.call({}, "a"),
    () => form.forEach(5),
    () => FormData(),
  ])
    print(await attempt(() => call() ?? "fine"));
  print(
    [...form.keys()],
    Object.prototype.toString.call(form),
    FormData.prototype[Symbol.iterator] === FormData.prototype.entries,
  );
  const odd = new FormData();
  odd.append('q"uo\r\nte\\', "line\nbreak\rhere\r\nend");
  odd.append("é", "😀");
  odd.append("file", new File(["\r\n--x\r\n", new Uint8Array([0, 255])], 'n"a\nme é.bin', { type: "application/x" }));
  odd.append("empty", "");
  odd.append("none", new File([], ""));
  const response = new Response(odd);
  const text = await response.clone().text();
  const [, boundary] = /boundary=(.*)$/.exec(response.headers.get("content-type"));
  print(text.replaceAll(boundary, "BOUNDARY"));
  print(await entries(await response.formData()));
  const parse = (type, body) =>
    attempt(async () => entries(await new Response(body, { headers: { "content-type": type } }).formData()));
  const part = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n';
  for (const [type, body] of [
    ["multipart/form-data; boundary=x", `${part}--x--\r\n`],
    ["multipart/form-data; boundary=x", `${part}--x--`],
    ['multipart/form-data; boundary="x"', `${part}--x--\r\n`],
    ["Multipart/Form-Data;boundary=x", `${part}--x--\r\n`],
    ["multipart/form-data; charset=utf-8; boundary=x", `${part}--x--\r\n`],
    ["multipart/form-data", `${part}--x--\r\n`],
    ["multipart/form-data; boundary=x", part],
    ["multipart/form-data; boundary=x", ""],
    ["multipart/form-data; boundary=y", `${part}--x--\r\n`],
    ["multipart/form-data; boundary=x", "--x\r\n\r\n1\r\n--x--\r\n"],
    ["multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"],
    [
      "multipart/form-data; boundary=x",
      '--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\nContent-Type: q/r\r\n\r\n\r\n--x--\r\n',
    ],
    [
      "multipart/form-data; boundary=x",
      '--x\r\ncontent-disposition: form-data; name="a%22%0D%0A%41"\r\n\r\n1\r\n--x--\r\n',
    ],
    ["multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--x--\r\n'],
    ["application/x-www-form-urlencoded", "a=1&a=2&%zz=+"],
    ["application/x-www-form-urlencoded; charset=UTF-8", ""],
    ["text/plain", "a=1"],
    ["", "a=1"],
  ])
    print(type, await parse(type, body));
};
main().catch((error) => print("FAILED", error.name, error.message));
