"""What all rooms' tests share: one thread a process, and where real readings are found."""

import os
from pathlib import Path

import pytest

for _library in ("OMP", "OPENBLAS"):  # before any test loads them: tests run side by side, and matrices are small
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real readings: $RETROLUX_DATA, else ../shared/data beside the checkout; the test skips without."""
    folder = Path(os.environ.get("RETROLUX_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "claude-light-2025.jsonl").is_file():
        pytest.skip(f"no real readings: set RETROLUX_DATA to their folder (looked in {folder})")
    return folder
