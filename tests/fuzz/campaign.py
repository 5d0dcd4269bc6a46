"""Fuzz one target guided by coverage: ``python -m tests.fuzz.campaign TARGET FOLDER [libFuzzer's options …]``.

atheris (libFuzzer) sees which branches of our code an input reaches and which constants it was compared with, and goes
on from those that reach new ones; they stay in FOLDER. Ends with an exit code other than 0 at the first input that
breaks the target, and writes that input beside them. ``scripts/fuzz`` calls it for people, ``test_fuzz.py`` for tests.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["transports", "edge.topics", "edge.connected", "tests.fuzz.targets"]):
    from tests.fuzz.targets import TARGETS, planted, seeds


def main():
    name, folder, *options = sys.argv[1:]
    corpus = Path(folder) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name) if name in TARGETS else [b"a seed"]):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    atheris.Setup([name, f"-artifact_prefix={folder}/", *options, str(corpus)], TARGETS.get(name, planted))
    atheris.Fuzz()


main()
