const attempt = async (act) => {
  try {
    return (await act()) ?? "fine";
  } catch (error) {
    return error?.name ?? error;
  }
};
const collect = async (stream) => {
  const list = [];
  for await (const chunk of stream) list.push(chunk);
  return list;
};
const numbers = (count) => {
  let at = 0;
  return new ReadableStream({
    pull(one) {
      if (at === count) one.close();
      else one.enqueue(at++);
    },
  });
};
const main = async () => {
  print(await collect(numbers(5)));
  print(
    await collect(ReadableStream.from([1, 2, 3])),
    await collect(
      ReadableStream.from(
        (async function* () {
          yield "a";
          yield "b";
        })(),
      ),
    ),
  );
  print(
    await attempt(() => ReadableStream.from(5)),
    await attempt(() =>
      collect(
        ReadableStream.from({
          [Symbol.iterator]() {
            throw new EvalError("x");
          },
        }),
      ),
    ),
  );
  const said = [];
  const source = new ReadableStream(
    {
      start(one) {
        one.enqueue(1);
        said.push(one.desiredSize);
      },
      cancel(reason) {
        said.push(`cancel ${reason}`);
      },
    },
    new CountQueuingStrategy({ highWaterMark: 3 }),
  );
  for await (const chunk of source) {
    said.push(chunk);
    break;
  }
  print(said, source.locked);
  const [one, two] = numbers(3).tee();
  print(await collect(one), await collect(two));
  const written = [];
  const sink = new WritableStream({
    write(chunk) {
      written.push(chunk);
    },
    close() {
      written.push("close");
    },
    abort(reason) {
      written.push(`abort ${reason}`);
    },
  });
  await numbers(3).pipeTo(sink);
  print(written, sink.locked);
  const twice = new TransformStream({
    transform(chunk, to) {
      to.enqueue(chunk);
      to.enqueue(chunk);
    },
    flush(to) {
      to.enqueue("end");
    },
  });
  print(await collect(numbers(2).pipeThrough(twice)));
  print(
    await collect(
      ReadableStream.from(["é", "\ud83d", "\ude00", "\ud800", "x"])
        .pipeThrough(new TextEncoderStream())
        .pipeThrough(new TextDecoderStream()),
    ),
  );
  print(
    await attempt(() =>
      collect(
        ReadableStream.from([new Uint8Array([0xff])]).pipeThrough(new TextDecoderStream("utf-8", { fatal: true })),
      ),
    ),
    await attempt(() => collect(ReadableStream.from(["text"]).pipeThrough(new TextDecoderStream()))),
  );
  print(
    await collect(
      ReadableStream.from([new Uint8Array([0xe2]), new Uint8Array([0x82, 0xac])]).pipeThrough(new TextDecoderStream()),
    ),
    new TextDecoderStream("latin1").encoding,
    new TextEncoderStream().encoding,
  );
  const bytes = new ReadableStream({
    type: "bytes",
    pull(to) {
      const { byobRequest } = to;
      if (byobRequest) {
        byobRequest.view[0] = 7;
        byobRequest.respond(1);
      } else to.enqueue(new Uint8Array([8]));
    },
  });
  const byob = bytes.getReader({ mode: "byob" });
  const got = await byob.read(new Uint8Array(4));
  print(got.value.length, got.value[0], got.value.buffer.byteLength, got.done);
  byob.releaseLock();
  const plain = bytes.getReader();
  print((await plain.read()).value[0], await attempt(() => bytes.getReader()), await attempt(() => plain.cancel("x")));
  print(
    await attempt(() => numbers(1).getReader({ mode: "byob" })),
    await attempt(() => new ReadableStream({ type: "x" })),
    await attempt(() => new ReadableStream(5)),
    await attempt(() => new ReadableStream({ start: 5 })),
    await attempt(() => new WritableStream({ type: "bytes" })),
    await attempt(() => new CountQueuingStrategy()),
    await attempt(() => ReadableStream()),
  );
  const failing = new ReadableStream({
    pull() {
      throw new EvalError("pull");
    },
  });
  print(
    await attempt(() => failing.getReader().read()),
    await attempt(() =>
      numbers(3).pipeTo(
        new WritableStream({
          write() {
            throw new RangeError("write");
          },
        }),
      ),
    ),
  );
  const controller = new AbortController();
  const endless = new ReadableStream({
    cancel(reason) {
      said.push(`cancelled ${reason}`);
    },
  });
  const pipe = endless.pipeTo(
    new WritableStream({
      abort(reason) {
        said.push(`aborted ${reason}`);
      },
    }),
    { signal: controller.signal },
  );
  controller.abort("stop");
  print(await attempt(() => pipe), said.splice(0));
  const writer = new WritableStream({}, new ByteLengthQueuingStrategy({ highWaterMark: 10 })).getWriter();
  print(writer.desiredSize);
  writer.write(new Uint8Array(4));
  print(
    writer.desiredSize,
    await attempt(() => writer.close()),
    await attempt(() => writer.write("x")),
    await attempt(() => writer.closed),
  );
  const erring = new ReadableStream({
    start(to) {
      to.error(new URIError("bad"));
    },
  });
  print(await attempt(() => collect(erring)), await attempt(() => erring.getReader().closed));
  const reader = numbers(2).getReader();
  const pending = [reader.read(), reader.read(), reader.read(), reader.closed];
  print(JSON.stringify(await Promise.all(pending)));
  print(
    Object.prototype.toString.call(endless),
    Object.prototype.toString.call(writer),
    Object.prototype.toString.call(reader),
    ReadableStream.name,
    TransformStream.name,
    ReadableStream.prototype[Symbol.asyncIterator] === ReadableStream.prototype.values,
  );
  const terminated = new TransformStream({
    transform(chunk, to) {
      to.enqueue(chunk);
      to.terminate();
    },
  });
  print(
    await attempt(() => numbers(5).pipeTo(terminated.writable)),
    await collect(terminated.readable).catch((error) => error.name),
  );
  const big = new Uint8Array(300000).fill(65);
  print((await new Response(new Blob([big]).stream().pipeThrough(new TransformStream())).text()).length);
  const order = [];
  queueMicrotask(() => order.push("micro"));
  Promise.resolve().then(() => order.push("then"));
  await null;
  await null;
  print(order, await attempt(() => queueMicrotask(5)));
};
main().catch((error) => print("FAILED", error.name, error.message));
