"""Responses that stream, and clients that go away."""

from __future__ import annotations

from tests.kernel.runtime.fake_host import App, Result, closing

__all__ = ["closing"]
COUNTER = """let n = 0;
  exports.log = [];
  const body = (to) => new ReadableStream({
    async pull(c) { await fazt.sleep(1); if (n++ < to) c.enqueue(new TextEncoder().encode(`${n};`)); else c.close() },
    cancel(why) { console.log('cancelled', why.name); },
  });
"""


def test_a_stream_is_sent_in_pieces() -> None:
    app = App(COUNTER + "exports.default = () => new Response(body(3), {status: 201, headers: {'x-a': 'b'}})", "fetch")
    result = app.request()
    assert (result.status, result.ended, result.text) == (201, True, "1;2;3;")
    assert [line[0] for line in result.lines if line[0] in "HZ"] == ["H", "Z"]
    assert result.header("x-a") == "b" and len(app.chunks) == 3


def test_events_are_sent_as_they_come() -> None:
    code = """exports.default = () => {
      const { readable, writable } = new TransformStream();
      const writer = writable.getWriter();
      (async () => {
        for (const n of [1, 2]) {
          await writer.write(new TextEncoder().encode(`data: ${n}\\n\\n`)); await fazt.sleep(5) }
        await writer.close();
      })();
      return new Response(readable, {headers: {'content-type': 'text/event-stream'}});
    }"""
    result = App(code, "fetch").request()
    assert (result.ended, result.text, result.header("content-type")) == (
        True,
        "data: 1\n\ndata: 2\n\n",
        "text/event-stream",
    )


def test_a_full_buffer_is_waited_for() -> None:
    app = App(COUNTER + "exports.default = () => new Response(body(3))", "fetch")
    app.full = True
    result = app.request()
    assert (result.ended, result.text) == (True, "1;2;3;")
    assert [line for line in result.lines if " drain " in line] != []


def test_a_stream_waits_until_its_head_is_heard() -> None:
    code = """let n = 0; const piece = new Uint8Array(50000);
      exports.default = () => new Response(new ReadableStream({
        pull(c) { if (n++ < 40) c.enqueue(piece.slice()); else c.close() } }))"""
    app = App(code, "fetch")
    result = app.request()
    assert (result.ended, len(result.body)) == (True, 2_000_000)
    assert app.early == 100_000, "no more than the host keeps for an answer that is whole"
    assert len([line for line in result.lines if " drain " in line]) == 1


def test_a_large_piece_is_sent_in_smaller_ones() -> None:
    code = """exports.default = () => new Response(new ReadableStream({start(c) {
      c.enqueue(new Uint8Array(20_000_000).fill(65)); c.enqueue('text'); c.close() }}))"""
    app = App(code, "fetch")
    result = app.request()
    assert (result.ended, result.error, len(result.body), result.body[-5:]) == (True, None, 20_000_004, b"Atext")
    assert max(map(len, app.chunks)) <= 256 * 1024


def test_a_stream_that_fails_says_so() -> None:
    code = """exports.default = () => new Response(new ReadableStream({
      pull(c) { if (this.n) throw new TypeError('broken'); this.n = 1; c.enqueue(new Uint8Array([65])) } }))"""
    result = App(code, "fetch").request()
    assert (result.status, result.ended) == (200, False)
    assert result.error is not None
    assert (result.error["kind"], result.error["message"]) == ("stream", "broken")


def test_a_stream_of_what_is_no_bytes_fails() -> None:
    code = "exports.default = () => new Response(new ReadableStream({start(c) { c.enqueue({}); c.close() }}))"
    error = App(code, "fetch").request().error
    assert error is not None and error["kind"] == "stream"


def test_a_client_that_went_away_cancels_the_stream() -> None:
    app = App(COUNTER + "exports.default = () => new Response(body(1e9))", "fetch")
    result = Result()
    app.log = result.logs
    app.step(app.started(), result)
    for _ in range(3):
        app.step(app.settle(app.next()), result)
    app.step("X", result)
    assert result.ended and "cancelled AbortError" in result.all_logs
    assert not app.pending, "its timer is cancelled"


def test_a_closed_door_cancels_the_stream() -> None:
    app = App(COUNTER + "exports.default = () => new Response(body(1e9))", "fetch")
    app.gone = True
    result = app.request()
    assert result.ended and result.error is None and "cancelled" in result.all_logs


def test_the_signal_of_a_request_tells_that_the_client_went_away() -> None:
    code = """exports.default = (request) => new Promise((resolve) => {
      request.signal.addEventListener('abort', () => resolve(new Response(request.signal.reason.name)));
      setTimeout(() => {}, 1e6); })"""
    app = App(code, "fetch")
    result = Result()
    app.step(app.started(), result)
    app.step("X", result)
    assert result.text == "AbortError"
    app.step("X", result)


def test_a_client_that_went_away_early_is_seen_late() -> None:
    code = """exports.default = async (request) => {
      await fazt.sleep(5); const {aborted} = request.signal; return new Response(`${aborted}`) }"""
    app = App(code, "fetch")
    result = Result()
    app.step(app.started(), result)
    app.step("X", result)
    app.step(app.settle(app.next()), result)
    assert result.text == "true"


def test_a_body_somebody_else_reads_cannot_be_sent() -> None:
    code = "exports.default = () => { const r = new Response('x'); r.body.getReader(); return r }"
    error = App(code, "fetch").request().error
    assert error is not None and error["code"] == "INVALID_RESPONSE"


def test_a_body_that_was_read_cannot_be_sent() -> None:
    code = "exports.default = async () => { const r = new Response('x'); await r.text(); return r }"
    error = App(code, "fetch").request().error
    assert error is not None and error["code"] == "INVALID_RESPONSE"
    code = "const r = new Response('again'); exports.default = () => r.clone()"
    app = App(code, "fetch")
    assert [app.request().text for _ in range(2)] == ["again", "again"]


def test_blobs_and_forms_are_sent_as_bytes() -> None:
    assert App("exports.default = () => new Response(new Blob(['ab', 'c']))", "fetch").request().body == b"abc"
    result = App(
        "const f = new FormData(); f.set('a', '1'); exports.default = () => new Response(f)", "fetch"
    ).request()
    assert b'name="a"' in result.body and (result.header("content-type") or "").startswith("multipart/form-data")


def test_the_echo_of_a_body_on_its_way() -> None:
    pieces = [b"one", b"two"]
    app = App(
        "exports.default = (request) => new Response(request.body)",
        "fetch",
        answers={"body.read": lambda _: pieces.pop(0) if pieces else None},
    )
    result = app.go(app.started("POST", body_kind="stream"))
    assert (result.ended, result.body) == (True, b"onetwo")


OWN = """class Own extends ReadableStream { getReader() { %s } };
  exports.default = { fetch: () => new Response(new Own()) }"""


def test_a_stream_that_gives_no_reader_is_an_error_of_the_handler() -> None:
    result = App(OWN % "throw new Error('no reader')", "fetch").request()
    assert result.error is not None and (result.error["message"], result.error["kind"]) == ("no reader", "handler")
    assert [line[0] for line in result.lines] == ["E"]


def test_a_reader_that_throws_when_cancelled_ends_its_stream_all_the_same() -> None:
    reader = "return { async read() { throw new Error('broken') }, cancel() { throw new Error('worse') } }"
    result = App(OWN % reader, "fetch").request()
    assert result.error is not None and (result.error["message"], result.error["kind"]) == ("broken", "stream")


def test_a_reader_that_throws_when_the_client_goes_ends_its_stream() -> None:
    reader = "return { read: () => new Promise(() => {}), cancel() { throw new Error('worse') } }"
    app, result = App(OWN % reader, "fetch"), Result()
    app.step(app.started(), result)
    app.step("X", result)
    assert [line[0] for line in result.lines] == ["H", "Z"]
