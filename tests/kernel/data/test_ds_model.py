"""The document store against its model: random operations, with indexes that come and go."""

from __future__ import annotations

import random
from pathlib import Path

from tests.kernel.data import ds_trial


async def test_it_answers_as_its_model_does(tmp_path: Path) -> None:
    for _ in range(3):
        seed = random.randrange(1 << 30)
        trial = await ds_trial.run(tmp_path, seed, 700)
        assert trial.done == 700
        assert 10 < trial.refused < 200, seed
