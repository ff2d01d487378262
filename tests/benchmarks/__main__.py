"""The one command: ``python -m tests.benchmarks`` (some twenty minutes; ``--gate`` three).

``--markdown`` runs nothing: it prints the READMEs' tables of the latest run's ``benchmarks.json``.

Each library has as many threads as a user's would, not the one that tests have; and ``OPENBLAS_CORETYPE`` is unset
before NumPy is loaded, for it chooses kernels of another processor. Further arguments go to pytest.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SELECTIONS = {"--gate": "gate", "--long": "", "": "not slow"}


def environment() -> dict[str, str]:
    """As a user has it: a thread a core for each library, kernels of this processor."""
    cores = str(len(os.sched_getaffinity(0)))
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return kept | {"OMP_NUM_THREADS": cores, "OPENBLAS_NUM_THREADS": cores}


def command(arguments: Sequence[str]) -> list[str]:
    """pytest's, in one process: side by side with others no time means anything."""
    chosen = next((name for name in SELECTIONS if name in arguments), "")
    rest = [argument for argument in arguments if argument not in SELECTIONS]
    where = [] if any(Path(argument).exists() for argument in rest) else ["tests/benchmarks"]
    json = [] if any(argument.startswith("--benchmark-json") for argument in rest) else ["benchmarks.json"]
    return [
        sys.executable, "-m", "pytest", "-p", "no:xdist", "-o", "python_files=bench_*.py", "-m", SELECTIONS[chosen],
        *(f"--benchmark-json={name}" for name in json), "--benchmark-columns=median,iqr,rounds", *where, *rest,
    ]  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    os.chdir(ROOT)
    if "--markdown" in arguments:
        from tests.benchmarks.figures import markdown

        kept = next((name for name in arguments if name.endswith(".json")), "benchmarks.json")
        print(markdown(json.loads(Path(kept).read_text(encoding="utf-8"))))
        return
    os.execve(sys.executable, command(arguments), environment())


if __name__ == "__main__":
    main(sys.argv[1:])
