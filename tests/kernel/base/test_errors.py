"""The one error of Fazt."""

from __future__ import annotations

import pytest

from kernel.base.errors import CODES, FaztError, invalid, not_found


@pytest.mark.parametrize("name", sorted(CODES))
def test_a_code_fixes_status_exit_code_and_javascript_class(name: str) -> None:
    code = CODES[name]
    assert name == name.upper()
    assert 400 <= code.status <= 599
    # 1 failed, 2 wrong usage, 3 not found, 4 refused or needs confirmation, 5 not reachable
    assert code.exit in (1, 2, 3, 4, 5)
    assert code.javascript in ("Error", "TypeError", "RangeError")
    assert code.meaning
    assert not code.meaning.endswith(".")


@pytest.mark.parametrize(("status", "exits"), [(401, {4}), (403, {4}), (404, {3}), (405, {2}), (429, {1}), (502, {5})])
def test_codes_of_one_kind_end_a_command_alike(status: int, exits: set[int]) -> None:
    assert {code.exit for code in CODES.values() if code.status == status} == exits


def test_what_is_shown_is_code_message_hint_and_details_and_no_more() -> None:
    error = FaztError("CONFLICT", "It is taken.", "Choose another.", field="slug")
    assert error.public() == {
        "code": "CONFLICT",
        "message": "It is taken.",
        "hint": "Choose another.",
        "details": {"field": "slug"},
    }
    assert FaztError("CONFLICT", "It is taken.").public() == {"code": "CONFLICT", "message": "It is taken."}
    assert str(error) == "It is taken."


def test_what_a_door_adds_to_the_shown_error_stays_out_of_the_error() -> None:
    error = FaztError("STORAGE_ERROR", "Broken.", path="x")
    error.public()["details"]["request"] = "req_1"
    assert error.details == {"path": "x"}


@pytest.mark.parametrize(
    ("code", "retryable"),
    [("RATE_LIMIT_EXCEEDED", True), ("SERVICE_UNAVAILABLE", True), ("TIMEOUT", True), ("NOT_FOUND", False)],
)
def test_only_what_may_pass_by_itself_is_retryable(code: str, retryable: bool) -> None:
    assert FaztError(code, "x").retryable is retryable


def test_an_unknown_code_is_a_fault_and_not_a_crash() -> None:
    assert (FaztError("NEVER_HEARD", "x").status, FaztError("NEVER_HEARD", "x").exit_code) == (500, 1)


def test_invalid_names_the_field_in_the_message_and_in_the_details() -> None:
    error = invalid("ttl", "must be a duration", least=1)
    assert (error.code, error.message) == ("VALIDATION_FAILED", "ttl: must be a duration")
    assert error.details == {"field": "ttl", "least": 1}


@pytest.mark.parametrize(
    ("what", "code"), [("app", "APP_NOT_FOUND"), ("redirect", "REDIRECT_NOT_FOUND"), ("key", "NOT_FOUND")]
)
def test_not_found_takes_the_code_of_its_noun_where_there_is_one(what: str, code: str) -> None:
    error = not_found(what, "x")
    assert (error.code, error.status) == (code, 404)
    assert "x" in error.message
