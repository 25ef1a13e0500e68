"""What an app.json may say of where its stores lie."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel.apps import manifest
from kernel.data.place import Place, place_of

BUCKET = "external:s3://bucket"


@pytest.mark.parametrize(
    ("said", "fine"),
    [
        ({}, True),
        ({"kv": "internal", "ds": "internal", "s3": "internal"}, True),
        ({"s3": BUCKET}, True),
        ({"s3": f"{BUCKET}/a/b-c.d"}, True),
        ({"s3": "s3://bucket"}, False),
        ({"s3": "external:"}, False),
        ({"s3": "external:https://bucket"}, False),
        ({"s3": f"{BUCKET}/../x"}, False),
        ({"s3": f"{BUCKET}/./x"}, False),
        ({"s3": f"{BUCKET}//x"}, False),
        ({"s3": f"{BUCKET}/a?b"}, False),
        ({"s3": "external:s3://x"}, False),
        ({"s3": "external:s3://BUCKET"}, False),
        ({"s3": f"{BUCKET}/{'x' * 400}"}, False),
        ({"s3": 7}, False),
        ({"kv": BUCKET}, False),
        ({"ds": BUCKET}, False),
        ({"rd": "internal"}, False),
    ],
)
def test_only_objects_can_lie_in_a_bucket(said: Any, fine: bool) -> None:
    found, warnings = manifest.parse(json.dumps({"storage": said}).encode())
    assert (not warnings) == fine
    assert found.storage.s3 == (said.get("s3", "internal") if fine else "internal")


@pytest.mark.parametrize(
    ("text", "place"),
    [("internal", Place()), ("s3://bucket/", Place("bucket")), ("external:s3://bucket/a/b/", Place("bucket", "a/b"))],
)
def test_a_place_is_read_and_written_alike(text: str, place: Place) -> None:
    assert place_of(text) == place
    assert place_of(place.text) == place
