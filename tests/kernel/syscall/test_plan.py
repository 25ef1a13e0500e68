"""Plans: what a function returns when it wants the world changed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from kernel.base.errors import FaztError
from kernel.syscall.plan import Page, Step, Write, expect, page

TAKEN = FaztError("CONFLICT", "Taken.")


def write(*names: str) -> Write[None]:
    return Write([Step(name, {}) for name in names])


def names(plan: Write[Any]) -> list[str]:
    return [step.sql for step in plan.steps]


def test_two_plans_are_one_batch_in_their_order() -> None:
    assert names(write("a", "b") + write("c")) == ["a", "b", "c"]
    assert names(write("a") + write() + write("b") + write("c")) == ["a", "b", "c"]


def test_the_answer_of_a_sum_is_the_first_ones_and_each_sees_its_own_rows() -> None:
    heard: list[Any] = []

    def second(rows: Any) -> str:
        heard.append(rows)
        return "second"

    both = write("a", "b").giving(lambda rows: ("first", rows)) + write("c").giving(second)
    assert both.result([["1"], ["2"], ["3"]]) == ("first", [["1"], ["2"]])
    assert heard == [[["3"]]]


def test_a_sum_of_three_gives_each_its_rows() -> None:
    heard: dict[str, Any] = {}

    def note(name: str, *steps: str) -> Write[Any]:
        return write(*steps).giving(lambda rows: heard.setdefault(name, rows))

    (note("a", "1") + (note("b", "2", "3") + note("c", "4"))).result([[1], [2], [3], [4]])
    assert heard == {"a": [[1]], "b": [[2], [3]], "c": [[4]]}


def test_the_answer_of_a_sum_whose_first_has_none_is_none() -> None:
    heard: list[Any] = []
    both = write("a") + write("b").giving(heard.append)
    assert both.result([[1], [2]]) is None
    assert heard == [[[2]]]
    assert (write("a") + write("b")).result([[], []]) is None


def test_the_answer_of_a_sum_is_known_if_no_rows_decide_either() -> None:
    first, second, rows = write("a").saying(1), write("b").saying(2), write("c").giving(len)
    assert (first + second).known == 1
    assert (first + second).result([[], []]) == 1
    assert (first + write("b")).known == 1
    assert (first + rows).known is UNSET
    assert (rows + second).known is UNSET
    assert (write("a") + second).known is UNSET


def test_a_plan_is_never_changed_by_what_is_made_of_it() -> None:
    first = write("a")
    first.expect(1, TAKEN), first.giving(len), first + write("b")
    assert (names(first), first.then) == (["a"], None)


def test_expect_stands_behind_the_last_statement_and_keeps_the_answer() -> None:
    plan = write("a").giving(lambda rows: "answer").expect(1, TAKEN)
    assert plan.steps[-1] == expect(1, TAKEN)
    assert plan.steps[-1].params == {"count": 1}
    assert plan.result([[], []]) == "answer"


@pytest.mark.parametrize(
    ("offset", "count", "total", "more"),
    [(0, 0, 0, False), (0, 10, 10, False), (0, 10, 11, True), (10, 1, 11, False), (20, 0, 11, False)],
)
def test_a_page_says_whether_there_is_more(offset: int, count: int, total: int, more: bool) -> None:
    made = page(list(range(count)), offset, 10, total)
    assert made == Page(list(range(count)), {"offset": offset, "limit": 10, "total": total, "has_more": more})
