"""Models on disk."""

import json
import pickletools
import shutil

import numpy as np
import pytest

from retrolux.models import registry, storage
from retrolux.models.errors import ModelUnreadable
from retrolux.models.linear import LinearModel
from retrolux.models.pls import PlsModel
from tests.models.conftest import PAPER, TARGETS, lines


@pytest.fixture
def folder(tmp_path):
    LinearModel().fit(lines(20, 2, 3, seed=0), seed=7).save(tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_answers_the_same_without_fitting(model, tmp_path, monkeypatch):
    model.save(tmp_path / "kept")
    again = registry.load(tmp_path / "kept")
    monkeypatch.setattr(type(again), "_learn", None)
    assert type(again) is type(model)
    assert again.invert(PAPER, seed=3) == model.invert(PAPER, seed=3)
    inputs = np.array([[0.1, 0.6, 0.3]])
    assert again.predict(inputs).tolist() == model.predict(inputs).tolist()
    values = np.array([[9000.0, 30000, 12000]])
    assert again.recover(TARGETS, values).high.tolist() == model.recover(TARGETS, values).high.tolist()
    assert (again.n_rows, again.data_hash) == (model.n_rows, model.data_hash)


def test_a_pattern_made_later_is_kept_too(model, tmp_path):
    model.prepare(("680nm", "445nm"))
    model.save(tmp_path / "kept")
    assert set(registry.load(tmp_path / "kept")._fits) == set(model._fits)


def test_the_manifest_says_what_it_is(model, readings, tmp_path):
    model.save(tmp_path / "kept")
    manifest = json.loads((tmp_path / "kept" / "manifest.json").read_text())
    assert manifest["method"] == model.method
    assert manifest["data_hash"] == readings.hash
    assert manifest["n_rows"] == len(readings)
    assert manifest["inputs"] == ["R", "G", "B"]
    assert manifest["outputs"] == list(model.output_names)
    assert manifest["seed"] == 1
    assert manifest["created"].endswith("+00:00")
    assert {"numpy", "scipy", "scikit-learn"} <= set(manifest["libraries"])


def test_nothing_on_disk_is_a_pickle(model, tmp_path):
    model.save(tmp_path / "kept")
    for path in (tmp_path / "kept").iterdir():
        assert path.suffix in {".json", ".npz", ".ubj"}
        with pytest.raises(ValueError, match=r"."):
            list(pickletools.genops(path.read_bytes()))


def test_an_earlier_model_is_replaced_whole(folder):
    first = set(folder.iterdir())
    LinearModel().fit(lines(30, 2, 3, seed=1)).save(folder)
    assert registry.load(folder).n_rows == 30
    assert not (first - {folder / "manifest.json"}) & set(folder.iterdir())


def test_a_save_that_fails_leaves_the_earlier_model(folder, monkeypatch):
    real = storage._replace

    def fail_at_the_manifest(path, content):
        if path.name == storage.MANIFEST:
            raise OSError("no space left")
        real(path, content)

    monkeypatch.setattr(storage, "_replace", fail_at_the_manifest)
    with pytest.raises(OSError, match="no space"):
        LinearModel().fit(lines(30, 2, 3, seed=1)).save(folder)
    assert registry.load(folder).n_rows == 20


def change_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (shutil.rmtree, "no saved model"),
        (lambda f: (f / "manifest.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "manifest.json").write_text("[]"), "incomplete"),
        (lambda f: change_manifest(f, format=99), "format 99"),
        (lambda f: change_manifest(f, method="oracle"), "unknown method"),
        (lambda f: change_manifest(f, fits=[[["x0"], ["y0"]]] * 5), "incomplete"),
        (lambda f: change_manifest(f, inputs=["x0"]), "incomplete"),
        (lambda f: change_manifest(f, options={"colour": "red"}), "incomplete"),
        (lambda f: next(f.glob("readings-*")).unlink(), "lacks readings"),
        (lambda f: next(f.glob("fit0-*")).write_bytes(b"x"), "checksum"),
    ],
)
def test_what_is_damaged_is_named(folder, harm, words):
    harm(folder)
    with pytest.raises(ModelUnreadable, match=words):
        registry.load(folder)


def test_arrays_that_are_none_are_refused():
    with pytest.raises(ModelUnreadable, match="arrays"):
        storage.unpack(b"PK\x03\x04 torn")


def test_a_model_is_not_loaded_as_another(folder):
    with pytest.raises(ModelUnreadable, match="linear, not pls"):
        PlsModel.load(folder)
