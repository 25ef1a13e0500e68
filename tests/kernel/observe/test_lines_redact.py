"""Secrets do not show up in what an app says."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from kernel.observe.redact import MARK, Cover, Redactor

KEY = "fzt_" + "a" * 43
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----"


@pytest.mark.parametrize(
    ("secrets", "text", "clean"),
    [
        ([], "nothing to see", "nothing to see"),
        (["hunter22"], "", ""),
        (["hunter22"], "a hunter22 b hunter22", f"a {MARK} b {MARK}"),
        (["hunter22"], "hunter22hunter22", MARK),
        (["short"], "short", "short"),
        (["sixsix"], "sixsix", MARK),
        # one begins inside the other, one holds the other, one repeats itself
        (["abcdefgh", "efghijkl"], "x abcdefghijkl y", f"x {MARK} y"),
        (["abcdef", "abcdefghij"], "abcdefghij abcdef", f"{MARK} {MARK}"),
        (["ababab"], "-ababababab-", f"-{MARK}-"),
        (['say "hi"\n\\'], json.dumps({"v": 'say "hi"\n\\'}), f'{{"v": "{MARK}"}}'),
        (["pässwörd"], json.dumps("pässwörd"), f'"{MARK}"'),
        (["pässwörd"], json.dumps("pässwörd", ensure_ascii=False), f'"{MARK}"'),
        (["a b&c=d/e"], "?q=" + quote("a b&c=d/e", ""), f"?q={MARK}"),
        ([PEM], PEM, MARK),
        ([PEM], "MIIEvQIBADANBgkq", MARK),
        ([".*(secret"], "xx .*(secret yy", f"xx {MARK} yy"),
        ([], f"key={KEY}.", f"key={MARK}."),
        ([], "Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {MARK}"),
        ([], '{"authorization":"bearer abcdefgh"}', f'{{"authorization":"bearer {MARK}"}}'),
        ([], "a bearer of news", "a bearer of news"),
        ([], "fzt_short", "fzt_short"),
        (["xfzt_aaaaaaaa"], "xfzt_aaaaaaaab", f"{MARK}b"),
    ],
)
def test_what_is_covered(secrets: list[str], text: str, clean: str) -> None:
    assert Cover(secrets).clean(text) == clean


def test_it_is_made_anew_when_values_change_and_only_then() -> None:
    values, looked = ["first-value"], []
    versions = {"app_a": 0}

    def secrets(app: str) -> list[str]:
        looked.append(app)
        return values

    redactor = Redactor(secrets, lambda app: versions.get(app, 0))
    assert redactor.of("app_a").clean("first-value") == MARK
    assert redactor.of("app_a").clean("first-value") == MARK
    values[0] = "second-value"
    assert redactor.of("app_a").clean("second-value") == "second-value"
    versions["app_a"] += 1
    assert redactor.of("app_a").clean("second-value") == MARK
    assert looked == ["app_a", "app_a"]
