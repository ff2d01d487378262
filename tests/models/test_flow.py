"""The flow trains and samples as ForestDiffusion does, and tells how far it is."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from scipy import stats

from retrolux.models import flow, flow_training, forest_library, spreading
from retrolux.models.errors import NotFitted
from retrolux.models.flow import Flow
from retrolux.models.flow_settings import FlowSettings
from retrolux.models.forest import ForestModel
from retrolux.models.line_and_flow import FlowGiven
from tests.models.conftest import PAPER, SMALL, light

PLAIN = FlowSettings(levels=6, copies=10, trees=12, depth=4, eta=0.3, leaf=1, plain=True)


def columns(n=60, wanted=2, given=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, wanted)), rng.normal(size=(n, given))


def raw(levels):
    return [bytes(level.save_raw("ubj")) for level in levels]


def generator():
    """State of the generator that the library draws from."""
    return np.random.get_state()[1].tolist()  # noqa: NPY002


# Against the library as it comes, with the same settings and the same seed


@pytest.fixture(scope="module", params=[(1, 2), (2, 2), (3, 0)])
def both(request):
    library, *_ = forest_library.load()
    x, given = columns(60, *request.param)
    options = {"n_t": 6, "duplicate_K": 10, "n_estimators": 12, "max_depth": 4, "eta": 0.3, "n_batch": 0}
    with flow_training.generator(5):
        theirs = library(
            x.copy(), X_covs=given.copy() if given.shape[1] else None, n_jobs=1, nthread=1, seed=5, **options
        )
    return theirs, Flow.learn(x, given, PLAIN, seed=5), given


def test_the_trees_are_the_librarys_bit_for_bit(both):
    theirs, ours, _ = both
    assert raw(ours.levels) == raw([level.get_booster() for level in theirs.regr[0][:-1]])


def test_the_draws_are_the_librarys(both):
    theirs, ours, given = both
    if theirs.c == 1:  # the library cannot draw a single column, unless each has trees of its own
        theirs.p_in_one, theirs.regr = False, [[[level] for level in theirs.regr[0]]]
    with flow_training.generator(7):
        drawn = theirs.generate(batch_size=60, X_covs=given if given.shape[1] else None)
    assert ours.draw(given, seed=7) == pytest.approx(drawn, rel=0, abs=1e-12)


def test_rows_in_parts_come_to_the_same(monkeypatch):
    x, given = columns()
    model = Flow.learn(x, given, PLAIN, seed=0)
    whole = model.draw(given, seed=1).tolist()
    monkeypatch.setattr(flow, "_ROWS", 7)
    assert model.draw(given, seed=1).tolist() == whole
    assert model.draw(given[:0], seed=1).shape == (0, 2)


def test_a_flow_of_an_earlier_version_which_kept_the_last_time_is_read():
    x, given = columns()
    model = Flow.learn(x, given, PLAIN, seed=0)
    files = model.to_files()
    earlier = {"flow.npz": flow.storage.pack({"ranks": model.ranks}), "level05.ubj": files["level00.ubj"]}
    again = Flow.from_files(files | earlier)
    assert again.draw(given, seed=1).tolist() == model.draw(given, seed=1).tolist()


def test_draws_have_the_conditional_distribution_of_a_normal_one():
    """Of ``y = 3 x + e`` with independent normal x and e it is normal, of mean 3 x and the deviation of e."""
    rng = np.random.default_rng(4)
    x, e = rng.normal(size=(600, 1)), 0.5 * rng.normal(size=(600, 1))
    fit = FlowGiven.learn(x, 3 * x + e, FlowSettings(), seed=0)
    at = np.linspace(-1, 1, 5)
    drawn = fit.draw(np.repeat(at, 2000)[:, None], seed=1).reshape(5, 2000)
    away = [stats.kstest(row, stats.norm(3 * x, 0.5).cdf).statistic for row, x in zip(drawn, at, strict=True)]
    assert np.mean(away) < 0.13  # a spread twice as wide or a mean half a deviation off would be 0.16 and 0.2 away
    assert drawn.std(axis=1).mean() == pytest.approx(0.5, rel=0.25)


def test_draws_about_many_middles_scatter_as_those_about_one():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 1))
    fit = FlowGiven.learn(x, 3 * x + 0.5 * rng.normal(size=(300, 1)), FlowSettings(), seed=0)
    at = np.linspace(-0.01, 0.01, 400)[:, None]  # too many to take a hundred draws about each
    one, many = fit.draw(np.zeros((4000, 1)), seed=1), fit.draw(at, seed=2) - 3 * at
    assert many.std() == pytest.approx(one.std(), rel=0.1)
    assert many.mean() == pytest.approx(one.mean(), abs=0.1)


# Progress and cancellation


class Cancelled(Exception):
    pass


@pytest.fixture(params=[1, 3])
def cores(request, monkeypatch):
    """As many cores as a machine may have, whatever this one has."""
    monkeypatch.setattr(spreading, "cores", lambda: request.param)
    return request.param


@pytest.mark.parametrize(("settings", "most"), [(SMALL, 0.15), ({"preset": "paper", "levels": 3, "trees": 20}, 0.25)])
@pytest.mark.usefixtures("cores")
def test_progress_goes_from_0_to_1_and_never_back(settings, most):
    seen = []
    ForestModel(settings=settings).fit(light(40, 1), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 1
    assert max(np.diff(seen)) <= most


def test_a_level_that_takes_long_tells_how_far_it_is(cores):
    x, given = columns(40, 3)
    seen = []
    Flow.learn(x, given, FlowSettings(levels=3, trees=12, copies=200), seed=0, progress=seen.append)
    within = [0, 4 / 12, 8 / 12]  # 40 · 200 · 3 rows a tree
    assert len(seen) == 6
    if cores == 1:
        assert seen == pytest.approx([(level + part) / 2 for level in (0, 1) for part in within])


class Ended(flow_training._Telling):
    """Counts the levels that were begun."""

    begun = 0

    def learnt(self, level):
        type(self).begun += 1
        return super().learnt(level)


@pytest.mark.parametrize("after", [0, 1, 17, 40])
def test_a_fit_that_is_cancelled_stops_at_once_and_leaves_nothing_behind(monkeypatch, after, cores):
    monkeypatch.setattr(flow_training, "_Telling", Ended)
    Ended.begun, told = 0, []

    def cancel(fraction):
        told.append(Ended.begun)
        if len(told) > after:
            raise Cancelled

    state, threads = generator(), threading.active_count()
    model = ForestModel(settings=SMALL)
    with pytest.raises(Cancelled):
        model.fit(light(40, 1), progress=cancel)
    assert len(told) == after + 1  # nobody is told after that
    assert Ended.begun <= told[-1] + 2 * cores - 1  # those that threads had taken already: each ends at its first tree
    with pytest.raises(NotFitted):
        model.invert(PAPER)
    assert model._fits == {}
    assert generator() == state
    assert threading.active_count() == threads
    assert not flow_training._numpy_random.locked()


def test_a_cancellation_within_a_level_ends_it(monkeypatch):
    monkeypatch.setattr(spreading, "cores", lambda: 1)
    x, given = columns(40, 3)
    seen = []

    def cancel(fraction):
        seen.append(fraction)
        if fraction > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        Flow.learn(x, given, FlowSettings(levels=2, trees=12, copies=200), seed=0, progress=cancel)
    assert seen == pytest.approx([0, 4 / 12])


# Threads


ANSWER = """
import numpy as np
from retrolux.models.flow import Flow
from retrolux.models.flow_settings import FlowSettings
rng = np.random.default_rng(0)
x, given = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
print(Flow.learn(x, given, FlowSettings(), seed=0).draw(given, seed=1).tobytes().hex())
"""


def test_any_number_of_cores_gives_the_same_trees(monkeypatch):
    x, given = columns()
    trees = []
    for n in (1, 2, 5):
        monkeypatch.setattr(spreading, "cores", lambda n=n: n)
        trees.append(raw(Flow.learn(x, given, FlowSettings(), seed=0).levels))
    assert trees[0] == trees[1] == trees[2]


def test_any_number_of_threads_gives_the_same_answer():
    def answer(threads):
        env = os.environ | {"OMP_NUM_THREADS": threads}
        return subprocess.run(
            [sys.executable, "-c", ANSWER], check=True, capture_output=True, text=True, env=env
        ).stdout

    assert answer("1") == answer("3") != ""


def test_fits_and_draws_at_the_same_time_are_those_of_one_after_the_other():
    x, given = columns()
    settings = FlowSettings(**SMALL)
    alone = Flow.learn(x, given, settings, seed=0)
    expected = alone.draw(given, seed=1).tolist()
    found = []

    def work():
        mine = Flow.learn(x, given, settings, seed=0)
        found.extend((mine.draw(given, seed=1).tolist(), alone.draw(given, seed=1).tolist()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6


def test_drawing_leaves_numpys_generator_alone():
    x, given = columns()
    model = Flow.learn(x, given, PLAIN, seed=0)
    state = generator()
    model.draw(given, seed=1)
    assert generator() == state
