"""The question of the paper, on other units of the same design."""

import pytest

from retrolux.server.config import Config
from retrolux.server.demo import Demo
from retrolux.server.laboratory import Laboratory

CLOSE = {
    "linear": 1.5,
    "pls": 1.5,
    "gmm": 1.5,
    "forest": 5.0,
    "bayes": 1.5,
}  # percent in each channel, mean of 16 playbacks


def worst_errors(tmp_path_factory: pytest.TempPathFactory, unit: int) -> dict[str, float]:
    config = Config(state=tmp_path_factory.mktemp("unit"), device=f"sim:{unit}")
    with Laboratory(config) as lab:
        answers = Demo(lab, n=100, playbacks=16, seed=0, report=lambda *_: None).run()
    return {a["model"]: max(abs(e) for e in a["error_percent"].values()) for a in answers}


@pytest.mark.parametrize("unit", [1])
def test_every_method_answers_within_its_error(tmp_path_factory: pytest.TempPathFactory, unit: int) -> None:
    pytest.importorskip("ForestDiffusion", reason="the extra `forest` is not installed")
    errors = worst_errors(tmp_path_factory, unit)
    assert set(errors) == set(CLOSE)
    assert all(errors[method] <= CLOSE[method] for method in CLOSE), errors


@pytest.mark.slow
def test_at_least_19_of_20_units(tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]) -> None:
    passed = 0
    for unit in range(1, 21):
        errors = worst_errors(tmp_path_factory, unit)
        passed += all(errors[method] <= CLOSE[method] for method in CLOSE)
        with capsys.disabled():
            print(f"sim:{unit}", " ".join(f"{m} {e:.2f} %" for m, e in errors.items()))
    assert passed >= 19
