"""What is ours round ForestDiffusion."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

from retrolux.models.errors import BadData, ModelUnreadable
from retrolux.models.flow import Flow
from retrolux.models.flow_settings import PRESETS, FlowSettings, chosen
from retrolux.models.forest import ForestModel
from retrolux.models.line_and_flow import FlowGiven
from tests.models.conftest import PAPER, SMALL, TARGETS, light, truth

SETTINGS = FlowSettings(**SMALL)


@pytest.fixture(scope="module")
def crescent():
    """Columns whose mean follows what is given, and whose scatter does too."""
    rng = np.random.default_rng(0)
    given = rng.uniform(-1.7, 1.7, (400, 1))
    columns = np.hstack([np.sin(given), given]) + (0.1 + 0.3 * (given > 0)) * rng.normal(size=(400, 2))
    return Flow.learn(columns, given, FlowSettings(), seed=1)


def test_a_flow_follows_what_is_given(crescent):
    for x in (-1.0, 1.0):
        drawn = crescent.draw(np.full((400, 1), x), seed=2)
        assert drawn.mean(axis=0) == pytest.approx([np.sin(x), x], abs=0.2)
    narrow, wide = (crescent.draw(np.full((400, 1), x), seed=2).std() for x in (-1.0, 1.0))
    assert wide > 1.5 * narrow


def test_a_flow_is_the_same_after_a_round_trip(crescent):
    again = Flow.from_files(crescent.to_files())
    given = np.linspace(-1, 1, 50)[:, None]
    assert again.draw(given, seed=3).tolist() == crescent.draw(given, seed=3).tolist()


def test_a_flow_without_its_ranks_is_unreadable(crescent):
    files = crescent.to_files()
    del files["flow.npz"]
    with pytest.raises(ModelUnreadable, match="flow"):
        Flow.from_files(files)


def test_damaged_trees_are_unreadable(crescent):
    with pytest.raises(ModelUnreadable, match="flow"):
        Flow.from_files(crescent.to_files() | {"level00.ubj": b"no tree"})


def test_one_column_alone_can_be_learnt():
    rng = np.random.default_rng(1)
    flow = Flow.learn(rng.normal(size=(100, 1)), np.empty((100, 0)), SETTINGS, seed=0)
    drawn = flow.draw(np.empty((500, 0)), seed=0)
    assert drawn.shape == (500, 1)
    assert drawn.std() == pytest.approx(1, abs=0.25)


def test_the_line_carries_the_slope_and_the_flow_the_bend():
    rng = np.random.default_rng(2)
    given = rng.random((400, 1))
    wanted = 100 * given + 5 * np.sin(9 * given) + 0.3 * rng.normal(size=(400, 1))
    both = FlowGiven.learn(given, wanted, FlowSettings(), seed=0)
    at = np.linspace(0.05, 0.95, 40)[:, None]
    true = 100 * at + 5 * np.sin(9 * at)
    assert np.sqrt(((both.mean(at) - true) ** 2).mean()) < 0.4 * np.sqrt(((both.line.mean(at) - true) ** 2).mean())


def test_progress_is_told_at_every_level():
    seen = []
    rng = np.random.default_rng(3)
    Flow.learn(rng.normal(size=(40, 2)), rng.normal(size=(40, 1)), SETTINGS, seed=0, progress=seen.append)
    learnt = SETTINGS.levels - 1  # the last, where the data are reached, is never asked
    assert seen == [i / learnt for i in range(learnt)]


def test_no_worker_process_is_started():
    ForestModel(settings=SMALL).fit(light(40, 1))
    assert multiprocessing.active_children() == []
    assert "joblib.externals.loky.process_executor" not in sys.modules or not _loky_running()


def _loky_running():
    from joblib.externals.loky import reusable_executor

    return reusable_executor._executor is not None


def test_other_methods_do_not_import_it():
    code = (
        "import sys; from retrolux.models import registry; registry.create('linear'); registry.create('pls');"
        "sys.exit(any(m in sys.modules for m in ('ForestDiffusion', 'xgboost', 'gmr')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The paper's own setting


def test_presets_are_chosen_by_name_and_may_be_altered():
    assert chosen(None) == chosen({}) == PRESETS["small"] == FlowSettings()
    paper = chosen({"preset": "paper"})
    assert (paper.levels, paper.copies, paper.trees, paper.depth, paper.eta) == (50, 100, 100, 7, 0.3)
    assert chosen({"preset": "paper", "levels": 10}).levels == 10
    with pytest.raises(BadData, match="no preset 'large'"):
        chosen({"preset": "large"})


def test_the_papers_are_the_librarys_defaults():
    """Told by the library's own signature, so that a new version of it is noticed."""
    import inspect

    from ForestDiffusion import ForestDiffusionModel

    defaults = {n: p.default for n, p in inspect.signature(ForestDiffusionModel.__init__).parameters.items()}
    paper = PRESETS["paper"]
    assert defaults["n_t"] == paper.levels
    assert defaults["duplicate_K"] == paper.copies
    assert (defaults["n_estimators"], defaults["max_depth"], defaults["eta"]) == (paper.trees, paper.depth, paper.eta)


def test_a_plain_flow_learns_the_columns_themselves(tmp_path):
    small = {"preset": "paper", "levels": 10, "copies": 20, "trees": 30, "depth": 4}
    model = ForestModel(targets=TARGETS, settings=small).fit(light(80, 1))
    answer = model.invert(PAPER)
    assert truth(list(answer.inputs.values()))[:3] == pytest.approx([16384] * 3, rel=0.25)  # trees make steps
    ((_, fit), *_) = [item for item in model._fits.items() if item[0][0] == TARGETS]
    assert not fit.line.slopes.any()
    assert fit.widening.tolist() == [1, 1, 1]
    assert len(fit.flow.ranks) == 2
    model.save(tmp_path / "forest")
    assert ForestModel.load(tmp_path / "forest").invert(PAPER) == answer


@pytest.mark.slow
def test_the_papers_numbers(capsys):
    """100 readings: the paper's forest answers [0.47, 0.23, 0.51] on its instrument; here near the truth."""
    model = ForestModel(targets=TARGETS, settings={"preset": "paper"}).fit(light(100, 1))
    answer = model.invert(PAPER)
    reached = truth(list(answer.inputs.values()))[:3]
    with capsys.disabled():
        print(
            "\nforest as in the paper:",
            [f"{v:.3f} ± {s:.3f}" for v, s in zip(answer.inputs.values(), answer.std.values(), strict=True)],
        )
    assert reached == pytest.approx([16384] * 3, rel=0.1)
