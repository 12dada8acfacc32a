"""Every file of the corpus ends as its target promises: earlier finds stay fixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
FILES = [(folder.name, file) for folder in sorted(CORPUS.iterdir()) for file in sorted(folder.iterdir())]


def test_every_target_has_its_corpus():
    assert {name for name, _ in FILES} == set(TARGETS)


@pytest.mark.parametrize(("target", "file"), FILES, ids=[f"{name}-{file.name}" for name, file in FILES])
def test_corpus_file_is_handled_as_promised(target: str, file: Path):
    TARGETS[target](file.read_bytes())
