"""Moving the objects of an app between inside and buckets, while it runs and however often it is interrupted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data import object_move
from kernel.data.object_move import KIND, Moves
from kernel.data.s3_shelf import Shelf
from kernel.jobs.kinds import Job
from kernel.syscall.plan import Step
from tests.kernel.data.object_bench import APP, BUCKET, OTHER, PLACE, Bench, emptied, other_client

INTERNAL, ELSEWHERE = "internal", f"s3://{BUCKET}/elsewhere"


@pytest.fixture
async def bench(moto: str, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "data.db")
    await asyncio.to_thread(emptied, moto)
    await made.outside(moto)
    yield made
    await made.close()


class Stopped(Exception):
    pass


def content(n: int) -> bytes:
    chance = random.Random(n)
    return chance.randbytes(chance.choice([0, 10, 1000, 300_000]))


Stored = dict[tuple[str, str], tuple[bytes, str]]


async def filled(bench: Bench, count: int = 6) -> Stored:
    stored: Stored = {}
    for n in range(count):
        user, key = ("", "usr_1", "u.2")[n % 3], f"folder {n % 2}/ä{n}"
        stored[user, key] = content(n), f"text/x-{n}"
        await bench.put(key, *stored[user, key], user=user)
        bench.clock.advance(1)
    return stored


async def held(bench: Bench) -> Stored:
    """What the app and its users see."""
    found: Stored = {}
    for user in ("", "usr_1", "u.2"):
        for one in await bench.js("list", user=user):
            got = await bench.js("get", one.key, user=user)
            found[user, one.key] = got.data, got.mime
    return found


async def times(bench: Bench) -> set[tuple[str, int]]:
    return {(one.key, one.updated_at) for user in ("", "usr_1", "u.2") for one in await bench.js("list", user=user)}


async def ordered(bench: Bench, to: str, **how: Any) -> Any:
    return await bench.named("storage.move", app=APP, to=to, **how)


async def work(bench: Bench) -> None:
    """Run the job as the queue does."""
    row = bench.rows("select id from jobs where kind = 'storage.move' limit 1")
    job = Job(row[0][0] if row else "", KIND, "moves", APP, "move", None, "null", 1, 5, 0, 0, "")
    plan = await bench.node.jobs.kinds[KIND].run(job)
    if plan is not None:
        await bench.node.store.write(plan.steps)  # type: ignore[attr-defined]


async def moved(bench: Bench, to: str, **how: Any) -> None:
    await ordered(bench, to, **how)
    await work(bench)


def names(moto: str) -> list[str]:
    return [one["Key"] for one in other_client(moto).list_objects_v2(Bucket=BUCKET).get("Contents", ())]


async def test_objects_move_out_on_and_back(bench: Bench, moto: str) -> None:
    stored = await filled(bench)
    await bench.put("k", b"other", app=OTHER)
    when = await times(bench)
    for place in (PLACE, ELSEWHERE, INTERNAL, PLACE):
        await moved(bench, place)
        state = await bench.named("storage.moving", app=APP)
        assert (state.place, state.target, state.done, state.total) == (place, None, 6, 6)
        assert (await held(bench), await times(bench)) == (stored, when)
    assert await bench.keys(app=OTHER) == ["k"]
    assert {name.split("/")[2 if name.startswith("some") else 1] for name in names(moto)} == {APP}


async def test_the_source_stays_unless_it_is_to_go(bench: Bench, moto: str) -> None:
    stored = await filled(bench)
    await moved(bench, PLACE)
    assert bench.rows("select count(*) from app_objects")[0][0] == 6
    await moved(bench, ELSEWHERE, delete_source=True)
    assert all(name.startswith("elsewhere/") for name in names(moto))
    await moved(bench, INTERNAL, delete_source=True)
    assert names(moto) == []
    await moved(bench, PLACE, delete_source=True)
    assert bench.rows("select * from app_objects") == []
    assert await held(bench) == stored


async def test_what_moved_is_read_and_written_there(bench: Bench, moto: str) -> None:
    await bench.put("a", b"old")
    await moved(bench, PLACE)
    await bench.put("a", b"new")
    await bench.put("b", b"two")
    # its content was never inside
    await bench.put("c", b"")
    assert bench.rows("select count(*) from app_objects")[0][0] == 1
    assert names(moto) == [f"some/prefix/{APP}/app/{key}" for key in "abc"]
    await moved(bench, INTERNAL)
    assert await held(bench) == {
        ("", "a"): (b"new", "application/octet-stream"),
        ("", "b"): (b"two", "application/octet-stream"),
        ("", "c"): (b"", "application/octet-stream"),
    }


@pytest.mark.parametrize(("first", "second"), [(INTERNAL, PLACE), (PLACE, INTERNAL), (PLACE, ELSEWHERE)])
@pytest.mark.parametrize("at", [1, 6, 13])
async def test_a_move_that_is_broken_off_goes_on_where_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, first: str, second: str, at: int
) -> None:
    """At the given step, whatever it is."""
    stored = await filled(bench)
    if first != INTERNAL:
        await moved(bench, first, delete_source=True)
    await ordered(bench, second, delete_source=True)
    whole = object_move._copy, object_move._same
    left, copied = at, list[str]()

    async def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Stopped

    async def copy(source: Any, target: Any, found: Any) -> None:
        await step()
        await whole[0](source, target, found)
        await step()

    async def same(*given: Any) -> int:
        await step()
        return await whole[1](*given)

    monkeypatch.setattr(object_move, "_copy", copy)
    monkeypatch.setattr(object_move, "_same", same)
    with pytest.raises(Stopped):
        await work(bench)
    assert await held(bench) == stored
    left = -1
    for kind in ("Inside", "Outside"):
        side: Any = getattr(object_move, kind)
        give = side.give

        async def noted(self: Any, user: str, said: Any, data: bytes, give: Callable[..., Any] = give) -> None:
            copied.append(said.key)
            await give(self, user, said, data)

        monkeypatch.setattr(side, "give", noted)
    await work(bench)
    assert await held(bench) == stored
    assert (await bench.named("storage.moving", app=APP)).place == second
    assert len(copied) <= 6 - max(0, at // 2 - 6)
    assert at < 13 or not copied


@pytest.mark.parametrize(("first", "second"), [(INTERNAL, PLACE), (PLACE, INTERNAL), (PLACE, ELSEWHERE)])
@pytest.mark.parametrize("seed", range(2))
async def test_what_is_written_meanwhile_is_not_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, first: str, second: str, seed: int
) -> None:
    stored, chance = await filled(bench), random.Random(seed)
    if first != INTERNAL:
        await moved(bench, first)
    await ordered(bench, second)
    whole, writes = object_move._copy, 0

    async def change() -> None:
        nonlocal writes
        writes += 1
        user, key = chance.choice([*stored, ("", f"new {writes}")])
        bench.clock.advance(1)
        if chance.random() < 0.5:
            stored[user, key] = b"%d" % writes, "text/new"
            await bench.put(key, *stored[user, key], user=user)
        else:
            stored.pop((user, key), None)
            await bench.js("delete", key, user=user)

    async def copy(source: Any, target: Any, found: Any) -> None:
        if writes < 8 and chance.random() < 0.7:
            await change()
        await whole(source, target, found)
        if writes < 8 and chance.random() < 0.7:
            await change()

    monkeypatch.setattr(object_move, "_copy", copy)
    await work(bench)
    assert writes == 8
    assert (await bench.named("storage.moving", app=APP)).place == second
    assert await held(bench) == stored


async def test_writers_beside_a_move_find_what_they_wrote(bench: Bench) -> None:
    """They write all the time while objects go out and come back; a put at the very turn may be told to try again."""
    stored = await filled(bench, 4)
    stopped = False

    async def writer(user: str) -> None:
        n = 0
        while not stopped:
            n += 1
            key = f"w{n % 5}"
            try:
                await bench.put(key, b"%d" % n, "text/plain", user=user)
            except FaztError as error:
                assert error.message == "The objects of the app have just been moved."
                continue
            stored[user, key] = b"%d" % n, "text/plain"
            await asyncio.sleep(0.001)

    writers = [asyncio.create_task(writer(user)) for user in ("", "usr_1")]
    for place in (PLACE, INTERNAL, ELSEWHERE):
        await ordered(bench, place)
        for _ in range(20):
            try:
                await work(bench)
                break
            except FaztError as error:
                assert "faster" in error.message
        assert (await bench.named("storage.moving", app=APP)).place == place
    stopped = True
    await asyncio.gather(*writers)
    assert await held(bench) == stored


async def test_a_put_planned_before_the_turn_does_not_land_where_nobody_looks(bench: Bench) -> None:
    entry, call = bench.node.registry["storage.s3.put"], bench.call()
    late = entry.javascript(call, b'["late"]', b"data")
    await bench.put("a", b"1")
    await moved(bench, PLACE)
    with pytest.raises(FaztError, match="have just been moved"):
        await bench.node.driver.settle(entry, call, late, {})
    assert await bench.keys() == ["a"]


async def test_what_is_not_in_the_source_is_not_in_the_target(bench: Bench, moto: str) -> None:
    stored = await filled(bench, 3)
    await moved(bench, PLACE)
    await bench.js("delete", "folder 0/ä0")
    del stored["", "folder 0/ä0"]
    await moved(bench, INTERNAL)
    assert await held(bench) == stored


async def test_objects_that_others_made_come_along(bench: Bench, moto: str) -> None:
    bench.says.s3[APP] = f"external:{PLACE}"
    client = other_client(moto)
    client.put_object(Bucket=BUCKET, Key=f"some/prefix/{APP}/app/theirs", Body=b"x" * 10, ContentType="text/css")
    client.put_object(Bucket=BUCKET, Key=f"some/prefix/{APP}/app/a//b", Body=b"no key of ours")
    client.put_object(Bucket=BUCKET, Key=f"some/prefix/{APP}/else", Body=b"")
    [found] = await bench.js("list")
    assert (found.key, found.mime, found.cid, found.hash) == ("theirs", "text/css", None, None)
    await moved(bench, INTERNAL)
    assert await held(bench) == {("", "theirs"): (b"x" * 10, "text/css")}


# --- what is asked for


async def test_a_move_is_asked_for_once(bench: Bench) -> None:
    await bench.put("a", b"1")
    with pytest.raises(FaztError, match="are in internal already"):
        await ordered(bench, INTERNAL)
    with pytest.raises(FaztError, match="not in"):
        await ordered(bench, PLACE, **{"from": ELSEWHERE})
    state = await ordered(bench, PLACE, **{"from": INTERNAL})
    assert (state.place, state.target) == (INTERNAL, PLACE)
    await ordered(bench, PLACE)
    with pytest.raises(FaztError, match="are being moved to"):
        await ordered(bench, ELSEWHERE)
    assert len(bench.rows("select id from jobs where kind = 'storage.move'")) == 1
    assert (await ordered(bench, INTERNAL)).target is None
    await work(bench)
    assert (await bench.named("storage.moving", app=APP)).place == INTERNAL


@pytest.mark.parametrize(
    "place",
    [
        "",
        "outside",
        "s3://",
        "s3://B",
        "s3://b/../c",
        "s3://bucket/a b",
        "http://x",
        "s3://bucket//a",
        "s3://bucket/a\n",
        7,
    ],
)
async def test_what_is_no_place_is_refused(bench: Bench, place: Any) -> None:
    with pytest.raises(FaztError) as refused:
        await ordered(bench, place)
    assert refused.value.code == "VALIDATION_FAILED"


async def test_a_line_of_a_manifest_does_not_hide_what_is_there(bench: Bench, moto: str) -> None:
    await bench.put("a", b"inside")
    bench.says.s3[APP] = f"external:{PLACE}"
    assert (await bench.js("get", "a")).data == b"inside"
    await bench.js("delete", "a")
    await bench.put("b", b"outside")
    bench.says.s3[APP] = f"external:{ELSEWHERE}"
    assert await bench.keys() == ["b"]
    bench.says.s3[APP] = "internal"
    assert await bench.keys() == ["b"]
    assert names(moto) == [f"some/prefix/{APP}/app/b"]


async def test_the_queue_knows_the_job(bench: Bench) -> None:
    assert isinstance(bench.node.jobs.kinds[KIND].run.__self__, Moves)  # type: ignore[attr-defined]
    await bench.put("a", b"1")
    bench.node.jobs.start()
    await ordered(bench, PLACE)
    async with asyncio.timeout(20):
        while (await bench.named("storage.moving", app=APP)).target is not None:  # noqa: ASYNC110 - the queue works
            await asyncio.sleep(0.01)
    await asyncio.gather(bench.node.jobs.stop(), asyncio.sleep(0))
    assert (await bench.named("storage.moving", app=APP)).place == PLACE


async def test_a_move_says_how_far_it_is_and_why_it_waits(bench: Bench) -> None:
    stored = await filled(bench)
    size = sum(len(data) for data, _ in stored.values())
    await moved(bench, PLACE)
    assert (await bench.named("storage.moving", app=APP)).bytes == size
    await ordered(bench, "s3://nobodys/prefix")
    assert (await bench.named("storage.moving", app=APP)).error is None
    await bench.node.store.write(  # type: ignore[attr-defined]
        [Step("update jobs set error = 'PROVIDER_ERROR: no such bucket' where kind = 'storage.move'", {})]
    )
    assert (await bench.named("storage.moving", app=APP)).error == "PROVIDER_ERROR: no such bucket"
    await ordered(bench, PLACE)
    assert (await bench.named("storage.moving", app=APP)).error is None


async def test_nothing_moves_to_where_nobody_is(tmp_path: Path) -> None:
    made = Bench(tmp_path / "alone.db")
    try:
        with pytest.raises(FaztError) as refused:
            await ordered(made, PLACE)
        assert refused.value.code == "PROVIDER_ERROR"
        assert (await made.named("storage.moving", app=APP)).target is None
    finally:
        await made.close()


# --- a place that was only said


async def test_a_place_is_not_fixed_by_a_put_that_fails(bench: Bench, moto: str) -> None:
    bench.says.s3[APP] = "external:s3://nobody-made-this/x"
    with pytest.raises(FaztError):
        await bench.put("k", b"x")
    assert bench.rows("select * from app_places") == []
    answer = await ordered(bench, INTERNAL, forget=True)
    assert (answer.place, answer.target) == (INTERNAL, None)
    assert bench.rows("select * from jobs where kind = 'storage.move'") == []
    await bench.put("k", b"x")
    assert bench.rows("select count(*) from app_objects") == [(1,)]


async def test_a_first_put_does_not_end_where_nobody_looks_any_more(
    bench: Bench, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.says.s3[APP] = f"external:{PLACE}"
    whole = Shelf.put

    async def overtaken(*given: Any) -> Any:
        saved = await whole(*given)
        await ordered(bench, INTERNAL, forget=True)
        return saved

    monkeypatch.setattr(Shelf, "put", overtaken)
    with pytest.raises(FaztError, match="just been moved"):
        await bench.put("k", b"x")
    await bench.put("k", b"y")
    assert (await bench.js("get", "k")).data == b"y"


async def test_a_bucket_that_never_answers_again_is_given_up(bench: Bench, moto: str) -> None:
    bench.says.s3[APP] = f"external:{PLACE}"
    await bench.put("k", b"x")
    await ordered(bench, INTERNAL)
    await bench.outside("http://127.0.0.1:9")
    with pytest.raises(FaztError):
        await work(bench)
    answer = await ordered(bench, INTERNAL, forget=True)
    assert (answer.place, answer.target) == (INTERNAL, None)
    await work(bench)
    assert await bench.keys() == []
    assert names(moto) == [f"some/prefix/{APP}/app/k"]
    with pytest.raises(FaztError, match="nothing to give up"):
        await ordered(bench, PLACE, forget=True)


async def test_without_a_way_to_a_bucket_a_move_is_refused_at_once(bench: Bench, moto: str) -> None:
    bench.says.s3[APP] = f"external:{PLACE}"
    await bench.named("config.set", name="s3.access_key", value="")
    with pytest.raises(FaztError, match="No storage outside") as refused:
        await ordered(bench, INTERNAL)
    assert "--forget" in (refused.value.hint or "")
    assert bench.rows("select * from app_places") == []
    assert (await ordered(bench, INTERNAL, forget=True)).place == INTERNAL


async def test_a_key_that_is_too_long_for_a_bucket_is_named(bench: Bench, moto: str) -> None:
    key = "k" * 1024
    await bench.put(key, b"x")
    await ordered(bench, PLACE)
    with pytest.raises(FaztError, match=key) as refused:
        await work(bench)
    assert "shorter key" in (refused.value.hint or "")


@pytest.mark.parametrize("bucket", ["x", "x" * 64])
async def test_a_bucket_s_name_has_a_length(bench: Bench, bucket: str) -> None:
    with pytest.raises(FaztError, match="3 to 63 characters"):
        await ordered(bench, f"s3://{bucket}/y")
