"""Real texts, a small model, a real node: what `queryEmbedding` finds is what brute force finds.

The texts are the docstrings of Python's own library. The model is made of them, on the author's side and not in the
program: weights of words, brought down to 384 dimensions (latent semantic analysis, scikit-learn). The vectors are
imported by the command, asked for over HTTP, and compared with a plain loop over all of them.

    python -m tests.torture.vector_demo [--program dist/fazt] [--texts 4000]
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator
from operator import mul
from pathlib import Path
from typing import Any

from tests.system.harness import Machine, Node

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDS = (
    "scikit-learn==1.7.2",
    "cloudpickle==3.1.2",
    "joblib==1.6.0",
    "numpy==2.4.6",
    "scipy==1.17.1",
    "threadpoolctl==3.8.0",
)
DIMENSIONS, ASKED, NEAREST = 384, 200, 10
LONGEST = 2000
QUESTIONS = (
    "parse a date and time from text",
    "compress bytes with gzip",
    "run a child process and read its output",
    "send an email message over SMTP",
    "remove a directory with everything in it",
)
# Runs in an environment of its own: texts come as JSON, vectors go as JSON, nothing of ours is imported.
MODEL = """
import json, sys
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
asked = json.load(sys.stdin)
words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2)
model = make_pipeline(words, TruncatedSVD(asked["dimensions"], random_state=1))
stored = model.fit_transform(asked["texts"])
json.dump({"texts": stored.tolist(), "questions": model.transform(asked["questions"]).tolist()}, sys.stdout)
"""

Vector = list[float]


def docstrings(most: int) -> list[tuple[str, str]]:
    """(name, docstring) of what Python's own library has, in the order of names."""
    library = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, str] = {}
    for path in sorted(library.rglob("*.py")):
        place = path.relative_to(library)
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(place.parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        module = ".".join(place.with_suffix("").parts)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                if len(text) > 60:
                    found.setdefault(f"{module}.{node.name}", text[:LONGEST])
    names = sorted(found)
    random.Random(1).shuffle(names)
    return [(name, found[name]) for name in names[:most]]


def model_python() -> Path:
    """An environment with what the model needs, made once."""
    place = ROOT / "build" / "vector-demo"
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *NEEDS], check=True)
        (place / "ready").touch()
    return python


def embedded(texts: list[str], questions: tuple[str, ...]) -> dict[str, list[Vector]]:
    asked = json.dumps({"texts": texts, "questions": questions, "dimensions": DIMENSIONS})
    done = subprocess.run([model_python(), "-I", "-c", MODEL], input=asked.encode(), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-2000:])
    made: dict[str, list[Vector]] = json.loads(done.stdout)
    return made


def brute(stored: dict[str, Vector], vector: Vector, count: int) -> list[str]:
    """The plain loop: cosine with every vector, best first, ties by id."""
    length = math.sqrt(math.fsum(map(mul, vector, vector)))
    scores = {
        id: math.fsum(map(mul, vector, other)) / length / math.sqrt(math.fsum(map(mul, other, other)))
        for id, other in stored.items()
    }
    return sorted(scores, key=lambda id: (-scores[id], id))[:count]


def imported(machine: Machine, node: Node, documents: Iterator[dict[str, Any]]) -> float:
    """Store them by the command; how long it took."""
    file = machine.folder / "texts.jsonl"
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    began = time.perf_counter()
    done = machine.fazt("vector", "import", "texts", str(file), "--app", "library", "--db", str(node.db))
    assert done.code == 0, done
    print(done.out.strip())
    return time.perf_counter() - began


def demonstrate(machine: Machine, most: int) -> bool:
    texts = dict(docstrings(most))
    made = embedded(list(texts.values()), QUESTIONS)
    # what shares no word with anything has no direction
    stored = {name: vector for name, vector in zip(texts, made["texts"], strict=True) if any(vector)}
    print(f"{len(stored)} docstrings, {DIMENSIONS} dimensions")
    node = machine.up()
    node.app("library")
    for words in (
        ("vector", "collections", "create", "texts", "--dimensions", str(DIMENSIONS)),
        ("vector", "collections", "info", "texts"),
    ):
        done = machine.fazt(*words, "--app", "library", "--db", str(node.db))
        assert done.code == 0, done
    took = imported(
        machine,
        node,
        (
            {"id": name, "pageContent": texts[name], "metadata": {"module": name.split(".")[0]}, "embedding": vector}
            for name, vector in stored.items()
        ),
    )
    print(f"imported in {took:.1f} s")
    path = "/api/apps/library/vector/collections/texts/query"
    draw = random.Random(2)
    vectors = [stored[name] for name in draw.sample(sorted(stored), min(ASKED, len(stored)))]
    vectors = [[x + draw.gauss(0, 0.02) for x in vector] for vector in vectors] + made["questions"]
    hits = same = 0
    spent: list[float] = []
    for vector in vectors:
        began = time.perf_counter()
        answer = node.ask("POST", path, body={"embedding": vector, "limit": NEAREST}, scope="*")
        spent.append(time.perf_counter() - began)
        found, wanted = [one["id"] for one in answer.data], brute(stored, vector, NEAREST)
        hits += len(set(found) & set(wanted))
        same += found == wanted
    for question, vector in zip(QUESTIONS, made["questions"], strict=True):
        answer = node.ask("POST", path, body={"embedding": vector, "limit": 3}, scope="*")
        print(f"{question}:", ", ".join(f"{one['id']} {one['score']:.2f}" for one in answer.data))
    recall = hits / (len(vectors) * min(NEAREST, len(stored)))
    print(f"recall@{NEAREST} {recall:.4f}, the same order in {same} of {len(vectors)}")
    print(f"median {sorted(spent)[len(spent) // 2] * 1000:.1f} ms a query over HTTP")
    return recall == 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="vector-demo", description=__doc__)
    parser.add_argument("--program", type=Path, default=ROOT / "dist" / "fazt")
    parser.add_argument("--texts", type=int, default=4000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vector-demo-") as folder:
        machine = Machine(Path(folder), asked.program.resolve(), sys.executable)
        try:
            return 0 if demonstrate(machine, asked.texts) else 1
        finally:
            machine.close()


if __name__ == "__main__":
    sys.exit(main())
