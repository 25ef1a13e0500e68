"""Real texts, real models, a real node: what `queryEmbedding` finds is what brute force finds.

Texts are embedded on the author's side (`vector_models.py`), imported by the command, asked for over HTTP, and the
answers are compared with a plain loop over all vectors. `scripts/torture vectors` runs it.
"""

from __future__ import annotations

import json
import math
import random
import time
from operator import mul

from tests.system.harness import Machine, Node
from tests.torture.vector_models import Model, Vector

ASKED, NEAREST = 200, 10
PATH = "/api/apps/library/vector/collections"


def brute(stored: dict[str, Vector], vector: Vector, count: int) -> list[str]:
    """The plain loop: cosine with every vector, best first, ties by id."""
    length = math.sqrt(math.fsum(map(mul, vector, vector)))
    scores = {
        id: math.fsum(map(mul, vector, other)) / length / math.sqrt(math.fsum(map(mul, other, other)))
        for id, other in stored.items()
    }
    return sorted(scores, key=lambda id: (-scores[id], id))[:count]


def command(machine: Machine, node: Node, *words: str) -> str:
    done = machine.fazt("vector", *words, "--app", "library", "--db", str(node.db))
    assert done.code == 0, done
    return done.out.strip()


def stored_in(machine: Machine, node: Node, model: Model, most: int) -> tuple[dict[str, Vector], list[Vector]]:
    """Texts, embedded and imported by the command: their vectors, and those of the questions."""
    texts = model.texts(most)
    vectors, questions = model.embed(list(texts.values()))
    # what shares nothing with anything has no direction
    stored = {name: vector for name, vector in zip(texts, vectors, strict=True) if any(vector)}
    command(machine, node, "collections", "create", model.name, "--dimensions", str(model.dimensions))
    file = machine.folder / f"{model.name}.jsonl"
    with file.open("w") as lines:
        for name, vector in stored.items():
            about = {"about": name.split(".")[0]}
            document = {"id": name, "pageContent": texts[name], "metadata": about, "embedding": vector}
            lines.write(json.dumps(document) + "\n")
    began = time.perf_counter()
    said = command(machine, node, "import", model.name, str(file))
    print(f"{model.name}, {model.dimensions} numbers: {said} {time.perf_counter() - began:.1f} s")
    return stored, questions


def demonstrate(machine: Machine, node: Node, model: Model, most: int) -> float:
    """What part of what is really nearest was found."""
    stored, questions = stored_in(machine, node, model, most)
    draw = random.Random(2)
    vectors = [stored[name] for name in draw.sample(sorted(stored), min(ASKED, len(stored)))]
    vectors = [[x + draw.gauss(0, 0.02) for x in vector] for vector in vectors] + questions
    hits = same = 0
    spent: list[float] = []
    for vector in vectors:
        began = time.perf_counter()
        body = {"embedding": vector, "limit": NEAREST}
        answer = node.ask("POST", f"{PATH}/{model.name}/query", body=body, scope="*")
        spent.append(time.perf_counter() - began)
        found, wanted = [one["id"] for one in answer.data], brute(stored, vector, NEAREST)
        hits += len(set(found) & set(wanted))
        same += found == wanted
    for question, vector in zip(model.questions, questions, strict=True):
        body = {"embedding": vector, "limit": 3}
        answer = node.ask("POST", f"{PATH}/{model.name}/query", body=body, scope="*")
        print(f"  {question}", ", ".join(f"{one['id']} {one['score']:.2f}" for one in answer.data))
    recall = hits / (len(vectors) * min(NEAREST, len(stored)))
    print(f"  recall@{NEAREST} {recall:.4f}, the same order in {same} of {len(vectors)}")
    print(f"  median {sorted(spent)[len(spent) // 2] * 1000:.1f} ms a query over HTTP")
    return recall
