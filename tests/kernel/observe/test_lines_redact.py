"""Secrets do not show up in what an app says."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from kernel.observe import redact
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


def test_only_so_many_apps_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "MOST_COVERS", 2)
    looked: list[str] = []
    versions = {"b": 0}

    def secrets(app: str) -> list[str]:
        looked.append(app)
        return [f"secret-of-{app}"]

    redactor = Redactor(secrets, lambda app: versions.get(app, 0))
    for app in ("a", "b", "a", "b", "c", "b", "c"):
        assert redactor.of(app).clean(f"secret-of-{app}") == MARK
    assert looked == ["a", "b", "c"] and list(redactor._made) == ["b", "c"]
    versions["b"] = 1
    assert redactor.of("b") and list(redactor._made) == ["c", "b"]
    assert redactor.of("a").clean("secret-of-a") == MARK and list(redactor._made) == ["b", "a"]


@pytest.mark.parametrize(
    "secret", ['My"Se\\cret /e+Tok==12', 'it\'s "both" \\ of\tthem', '{"key": "-----BEGIN\\nMIIEvQ\\n"}']
)
def test_values_inside_of_logged_objects_are_covered(secret: str) -> None:
    cover = Cover([secret])
    for mark in ("'", '"', "`"):
        inside = secret.replace("\\", "\\\\").replace(mark, "\\" + mark).replace("\n", "\\n").replace("\t", "\\t")
        assert cover.clean(f"{{ sa: {mark}{inside}{mark} }}") == f"{{ sa: {mark}{MARK}{mark} }}"
