"""Full-text search: what words are, what a search says, and that the index finds what reading finds."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.tables import by_name, expand
from kernel.data import doc_functions, doc_reads, doc_tables, text, text_index, text_tables
from kernel.data.doc_query import Condition, compiled
from kernel.data.text_index import Texts
from kernel.data.text_words import MOST_LETTERS, MOST_WORDS, spoken, words
from kernel.storage import schema
from kernel.syscall.call import LOCAL, Call
from kernel.syscall.plan import Step

MINE: Any = SimpleNamespace(app="a", user="")
OTHERS: Any = SimpleNamespace(app="b", user="")


def sql_of(found: Condition) -> str:
    """The condition for the app that is meant by :app."""
    return expand(found.sql, by_name)


class Shelf:
    """A file with documents, written as the document store does."""

    def __init__(self) -> None:
        self.file = apsw.Connection(":memory:")
        for migration in (schema.STORAGE, *doc_tables.MIGRATIONS, *text_tables.MIGRATIONS):
            self.file.execute(migration.sql)
        functions: dict[str, Any] = {**doc_functions.FUNCTIONS, **text.FUNCTIONS, **text_index.FUNCTIONS}
        for name, made in functions.items():
            self.file.create_scalar_function(name, made, deterministic=True)

    def run(self, write: Any) -> None:
        for step in write.steps:
            self.file.execute(step.sql, step.params)

    def put(self, name: str, doc: Any, rows: Any = MINE, *, indexed: bool = True) -> None:
        """A document that the index reaches, or one behind its end."""
        self.file.execute(
            "insert into app_docs (app_id, collection, id, data, created_at, updated_at) values (?, 'c', ?, ?, 1, 1)",
            (rows.app, name, json.dumps(doc)),
        )
        if indexed:
            self.reach(rows)

    def reach(self, rows: Any = MINE) -> None:
        self.file.execute("insert or ignore into app_texts values (?, '', 'c', 0, 1)", (rows.app,))
        done = self.file.execute("select done from app_texts where app_id = ?", (rows.app,)).get
        self.run(text_index.further(rows, "c", done, self.file.execute("select max(seq) from app_docs").get))

    def change(self, sql: str, query: Any) -> None:
        found = compiled(query, text_of=text_index.found_in(MINE, "c"))
        self.run(text_index.changing(MINE, "c", found.sql, found.params))
        self.file.execute(
            f"{sql} where app_id = 'a' and collection = 'c' and {sql_of(found)}",
            {**found.params, "app": "a", "user": ""},
        )

    def find(self, query: Any, rows: Any = MINE, text_of: Any = text.scanned) -> list[str]:
        found = compiled(query, text_of=text_of)
        where = f"app_id = '{rows.app}' and {sql_of(found)}"
        sql = f"select id from app_docs where {where} order by seq"
        return [row[0] for row in self.file.execute(sql, {**found.params, "app": rows.app, "user": ""})]

    def both(self, query: Any, fields: tuple[str, ...] = (), rows: Any = MINE) -> list[str]:
        """What is found by reading, which the index finds too."""
        read = self.find(query, rows, text.scanned_in(fields))
        assert self.find(query, rows, text_index.found_in(rows, "c", fields)) == read
        return read

    @property
    def rows(self) -> list[int]:
        return [row[0] for row in self.file.execute("select rowid from doc_text order by rowid")]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("a_b-c.d", ["a", "b", "c", "d"]),
        ("Été à Zürich", ["ete", "a", "zurich"]),
        ("ÉTÉ", ["ete"]),
        ("Straße ﬁn İstanbul ΣΊΣΥΦΟΣ", ["strasse", "fin", "istanbul", "σισυφοσ"]),
        ("日本語", ["日", "本", "語"]),
        ("x日本y", ["x", "日", "本", "y"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("שָׁלוֹם", ["שלום"]),
        ("5 000 ½", ["5", "000", "1", "2"]),
        ("\ue000\0\ufffd \U0010ffff 😀", []),
        ("", []),
        ("x" * 500, ["x" * MOST_LETTERS]),
    ],
)
def test_words(said: str, made: list[str]) -> None:
    assert words(said) == made


def test_of_a_long_text_the_beginning_counts() -> None:
    for said in ("wort ", "wört ", "\ufdfa", "日"):
        assert len(words(said * 1_000_00)) == MOST_WORDS
    long = " ".join(f"é{number}" for number in range(MOST_WORDS))
    assert words(long) == [f"e{number}" for number in range(MOST_WORDS)]
    assert sum(map(len, spoken({"a": [long, "x"], "b": "y"}))) == MOST_WORDS


DOCS = {
    "bird": {"title": "The blue tit", "body": "A small garden bird.", "tags": ["bird", "Garten"]},
    "cat": {
        "title": "The cat",
        "body": "Catches the bird in the garden, blue with cold.",
        "n": 5,
        "deep": {"a": [["Été"]]},
    },
    "tit": {"title": "Great tit", "body": "blue", "tags": ["tit"]},
}


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("bird", ["bird", "cat"]),
        ("BIRD", ["bird", "cat"]),
        ("garden bird", ["bird", "cat"]),
        ("garden -cat", ["bird"]),
        ("blue tit", ["bird", "tit"]),
        ('"blue tit"', ["bird"]),
        ('"tit blue"', []),
        ('"tit tit"', []),
        ('blue -"blue tit"', ["cat", "tit"]),
        ("gar*", ["bird", "cat"]),
        ('"small gar"*', ["bird"]),
        ("gard", []),
        ("great OR cat", ["cat", "tit"]),
        ("great OR cat bird", ["cat"]),
        ("bird great OR cat", ["cat"]),
        ("ete", ["cat"]),
        ("ÉT*", ["cat"]),
        ("blue-tit", ["bird"]),
        ("bird & !", ["bird", "cat"]),
        ("or", []),
        ("AND NOT NEAR", []),
        ({"$search": "blue", "fields": ["title"]}, ["bird"]),
        ({"$search": "tit -blue", "fields": ["title"]}, ["tit"]),
        ({"$search": "garten", "fields": ["title", "tags"]}, ["bird"]),
        ({"$search": "ete", "fields": ["deep.a.0"]}, ["cat"]),
        ({"$search": "ete", "fields": ["nowhere"]}, []),
        ({"$search": "bird"}, ["bird", "cat"]),
    ],
)
def test_searches(shelf: Shelf, search: Any, ids: list[str]) -> None:
    for name, doc in DOCS.items():
        shelf.put(name, doc)
    assert sorted(shelf.both({"$text": search})) == ids


def test_a_search_is_one_condition_among_others(shelf: Shelf) -> None:
    for name, doc in DOCS.items():
        shelf.put(name, doc)
    assert shelf.both({"$text": "bird", "n": {"$gt": 1}}) == ["cat"]
    assert shelf.both({"$or": [{"n": 5}, {"title": "The blue tit"}], "$text": "blue -cold"}) == ["bird"]


def test_declared_fields_are_where_it_looks(shelf: Shelf) -> None:
    for name, doc in DOCS.items():
        shelf.put(name, doc)
    assert shelf.both({"$text": "blue"}, ("title",)) == ["bird"]
    assert shelf.both({"$text": {"$search": "blue", "fields": ["body"]}}, ("title",)) == ["cat", "tit"]


@pytest.mark.parametrize(
    "search",
    [
        *(
            "",
            "   ",
            "-cat",
            '-"a b"',
            '"',
            'a "b',
            "!!",
            "\0",
            "OR",
            "a OR",
            "OR a",
            "a OR OR b",
            "a OR -b",
            "a -b OR c",
            "- *",
        ),
        *(
            5,
            None,
            [],
            ["a"],
            True,
            {},
            {"$search": 5},
            {"$search": "a", "field": ["b"]},
            {"$search": "a", "fields": "b"},
        ),
        *({"$search": "a", "fields": [""]}, {"$search": "a", "fields": [5]}, {"$search": "a", "fields": ["a..b"]}),
    ],
)
def test_what_is_no_search_is_refused(search: Any) -> None:
    with pytest.raises(FaztError) as caught:
        compiled({"$text": search})
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "search", ["a" * 1001, "é" * 501, "a " * 51, {"$search": "a", "fields": [str(number) for number in range(21)]}]
)
def test_what_is_too_much_is_refused(search: Any) -> None:
    with pytest.raises(FaztError) as caught:
        compiled({"$text": search})
    assert caught.value.code == "LIMIT_EXCEEDED"


@pytest.mark.parametrize("query", [{"$or": [{"$text": "a"}]}, {"$and": [{"$text": "a"}]}, {"$nor": [{"$text": "a"}]}])
def test_it_stands_at_the_top_only(query: Any) -> None:
    with pytest.raises(FaztError, match=r"\$text may stand at the top"):
        compiled(query)


HOSTILE = (
    "a* NEAR(b)",
    "words : a",
    "^a",
    "a + b",
    "{a b} : c",
    "a' or 1=1 --",
    "(((",
    ")",
    "a\\",
    "\ue000",
    "a\0b",
    "%",
)


@pytest.mark.parametrize("search", HOSTILE)
def test_the_syntax_of_the_index_is_out_of_reach(shelf: Shelf, search: str) -> None:
    shelf.put("x", {"t": "something else"})
    for wanted in (search, f'"{search}"', f"else {search}", f"else -q{search}"):
        try:
            shelf.both({"$text": wanted})
        except FaztError as error:
            assert error.code == "INVALID_ARGUMENT"


def test_a_phrase_does_not_reach_from_one_text_into_the_next(shelf: Shelf) -> None:
    shelf.put("x", {"a": "one two", "b": ["three", "four"]})
    assert shelf.both({"$text": '"one two"'}) == ["x"]
    assert shelf.both({"$text": '"two three"'}) == []
    assert shelf.both({"$text": '"three four"'}) == []


def test_what_was_changed_since_is_read(shelf: Shelf) -> None:
    for name, doc in DOCS.items():
        shelf.put(name, doc)
    shelf.put("new", {"t": "a bird that came later"}, indexed=False)
    assert shelf.both({"$text": "bird"}) == ["bird", "cat", "new"]
    shelf.change('update app_docs set data = \'{"t":"entirely new"}\'', {"$text": "great tit"})
    for _ in range(2):
        assert shelf.both({"$text": "great"}) == []
        assert shelf.both({"$text": "entirely new"}) == ["tit"]
        assert shelf.both({"$text": "tit -entirely"}) == ["bird"]
        shelf.run(text_index.renewed(MINE, "c"))
    shelf.change("delete from app_docs", {"$text": "bird"})
    for _ in range(2):
        assert shelf.find({}) == shelf.both({"$text": "entirely"}) == ["tit"]
        shelf.run(text_index.renewed(MINE, "c"))
    assert len(shelf.rows) == 1
    assert list(shelf.file.execute("select * from doc_text_due")) == []


def test_a_change_costs_nothing_where_there_is_no_index(shelf: Shelf) -> None:
    shelf.put("x", {"t": "bird"}, indexed=False)
    shelf.change("update app_docs set data = '{}'", {})
    assert list(shelf.file.execute("select * from doc_text_due")) == []


def test_the_index_goes_on_where_it_ended(shelf: Shelf) -> None:
    for name, doc in DOCS.items():
        shelf.put(name, doc, indexed=name == "cat")
        shelf.put(name, doc, OTHERS, indexed=False)
    assert shelf.both({"$text": "bird"}) == ["bird", "cat"]
    shelf.reach()
    assert shelf.rows == [1, 3, 5]
    assert shelf.both({"$text": "bird"}) == ["bird", "cat"]


def test_apps_people_and_collections_do_not_meet_in_the_index(shelf: Shelf) -> None:
    shelf.put("mine", {"t": "secret bird"})
    shelf.put("theirs", {"t": "other bird"}, OTHERS)
    assert shelf.both({"$text": "bird"}) == ["mine"]
    assert shelf.both({"$text": "bird"}, rows=OTHERS) == ["theirs"]
    scopes = {
        text_index.scope_of(SimpleNamespace(app=app, user=user), collection)
        for app, user, collection in (("a", "", "c"), ("b", "", "c"), ("a", "u", "c"), ("a", "", "d"), ("a", "c", ""))
    }
    assert len(scopes) == 5
    # the index itself gives only the words of one of them
    for rows, number in ((MINE, 1), (OTHERS, 2)):
        match = text_index.expression(text.parse("bird"), text_index.scope_of(rows, "c"))
        assert [
            row[0] for row in shelf.file.execute("select rowid from doc_text where doc_text match ?", (match,))
        ] == [number]


def test_the_rows_of_a_purged_app_go(shelf: Shelf) -> None:
    shelf.put("mine", {"t": "bird"})
    shelf.put("theirs", {"t": "bird"}, OTHERS)
    shelf.file.execute("delete from doc_text where app_id = 'a'")
    assert shelf.rows == [2]
    assert shelf.both({"$text": "bird"}, rows=OTHERS) == ["theirs"]


WORDS = ("a", "ab", "abc", "b", "é", "É", "日", "本", "x_y", "5", "ß", "\ue000", "\0", "नम", '"'[0:0])


@pytest.mark.parametrize("seed", range(4))
def test_the_index_finds_what_reading_finds(seed: int) -> None:
    seed += random.SystemRandom().randrange(10**6) * 4
    pick = random.Random(seed)

    def said(most: int) -> str:
        return pick.choice(("", " ", "-", ".")).join(pick.choices(WORDS, k=pick.randrange(1, most))) + " "

    shelf = Shelf()
    for number in range(60):
        doc = {"a": said(4) + said(3), "b": [said(3), {"c": said(2)}], "n": number}
        shelf.put(f"d{number}", doc, indexed=number < 40)
    for number in range(0, 60, 7):
        shelf.change(f"update app_docs set data = '{json.dumps({'a': said(4)})}'", {"n": number})
    for _ in range(150):
        terms = [
            pick.choice(("", "", "", "-"))
            + pick.choice(("{}", "{}", '"{}"', "{}*", '"{}"*', "{} OR {}")).format(said(3).strip(), said(2).strip())
            for _ in range(pick.randrange(1, 4))
        ]
        fields = pick.choice(([], [], ["a"], ["b"], ["b.1", "a"]))
        try:
            shelf.both({"$text": {"$search": " ".join(terms), "fields": fields}})
        except FaztError as error:
            assert error.code == "INVALID_ARGUMENT"
        except AssertionError:
            pytest.fail(f"seed {seed}: {terms} {fields}")


# --- in a node


class InNode:
    def __init__(self, node: Node) -> None:
        self.node, self.texts = node, node.ports.use(Texts)
        self.rows = node.store.scoped("app_aaaaaaaaaaaa")

    async def put(self, first: int, count: int) -> None:
        docs = {f"d{number}": to_text({"t": f"word w{number % 7} n{number}"}) for number in range(first, first + count)}
        await self.node.store.write(
            [
                Step(
                    """insert into app_docs (app_id, collection, id, data, created_at, updated_at)
select :app, 'c', key, value, 1, 1 from json_each(:docs)""",
                    {"app": self.rows.app, "docs": to_text(docs)},
                )
            ]
        )

    async def change(self, sql: str, query: Any) -> None:
        which = compiled(query)
        plan = text_index.changing(self.rows, "c", which.sql, which.params)
        await self.node.store.write([*plan.steps, Step(f"{sql} where {which.sql}", which.params)])

    async def search(self, words: str) -> list[str]:
        which = compiled({"$text": words}, text_of=text_index.text_of(self.call, self.rows, "c"))
        read = doc_reads.FIND.filled(matching=f"{which.sql} order by seq")
        plan = self.rows.scan((read, {**which.params, "collection": "c"}), then=lambda rows: [r[0] for r in rows[0]])
        found: list[str] = await self.node.store.scan(plan)
        return found

    @property
    def call(self) -> Call:
        return self.node.driver.call(LOCAL, "js", app=self.rows.app)

    @property
    def reach(self) -> int | None:
        row = self.rows.one(text_tables.REACH, collection="c")
        return row[0] if row else None


@pytest.fixture
def inside(tmp_path: Any) -> Any:
    node = Node(tmp_path / "data.db", clock=ManualClock())
    yield InNode(node)
    node.close()


async def test_a_collection_gets_its_index_when_it_is_large_and_searched(inside: InNode) -> None:
    await inside.put(0, text_index.LEAST_DOCS - 1)
    assert len(await inside.search("w3")) == 71
    await inside.texts.work()
    assert inside.reach is None
    await inside.put(1000, 300)
    await inside.texts.work()
    assert inside.reach is None, "nobody has searched since"
    before = await inside.search("w3 OR n1299")
    await inside.texts.work()
    assert inside.reach == 799
    assert await inside.search("w3 OR n1299") == before
    await inside.put(2000, 1)
    assert await inside.search("n2000 word") == ["d2000"]
    await inside.texts.work()
    assert inside.reach == 800
    assert await inside.search("n2000 word") == ["d2000"]


async def test_changes_reach_the_index_by_themselves(inside: InNode) -> None:
    await inside.put(0, text_index.LEAST_DOCS)
    await inside.search("word")
    await inside.texts.work()
    await inside.change("""update app_docs set data = '{"t":"other"}'""", {"id": {"$in": ["d1", "d2"]}})
    await inside.change("delete from app_docs", {"id": "d3"})
    for _ in range(2):
        assert await inside.search("n1 OR n2 OR n3") == []
        assert await inside.search("other") == ["d1", "d2"]
        assert len(await inside.search("word")) == text_index.LEAST_DOCS - 3
        await inside.texts.work()
    assert inside.node.store.rows(text_tables.CHANGED) == []
    assert inside.node.store.reader().execute("select count(*) from doc_text").get == text_index.LEAST_DOCS - 1


async def test_a_purged_app_leaves_no_words_and_a_fork_begins_anew(inside: InNode) -> None:
    await inside.put(0, text_index.LEAST_DOCS)
    await inside.search("word")
    await inside.texts.work()
    store = inside.node.store
    await store.write(store.copy(inside.rows.app, "app_bbbbbbbbbbbb", True, 1))
    await store.write(store.purge(inside.rows.app))
    assert store.reader().execute("select count(*) from doc_text").get == 0
    inside.rows = store.scoped("app_bbbbbbbbbbbb")
    assert inside.reach is None
    assert await inside.search("n7") == ["d7"]
    await inside.texts.work()
    assert await inside.search("n7") == ["d7"]
    assert inside.reach == 1000
