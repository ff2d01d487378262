"""Models sent to where they answer: they answer the same there, and whatever is wrong is refused."""

import hashlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server

from retrolux.models import archive, storage
from retrolux.models.errors import BadArchive, OtherVersions
from retrolux.server import pushing, receiving
from retrolux.server.config import Config
from retrolux.server.errors import BadArgument
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.laboratory import Laboratory
from retrolux.server.minds import Beside
from retrolux.server.pushing import Target
from tests.server.conftest import TARGET, Outcome

Cli = Callable[..., Outcome]
HARMLESS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
ASKED = {"target": TARGET, "model": "linear", "samples": 50}


@pytest.fixture
def packed(saved: Path) -> bytes:
    """The saved linear model, as it is sent."""
    return archive.pack(*storage.read(saved / "linear"))


def put(client: FlaskClient, content: bytes, method: str = "linear", query: str = "device=sim", **headers: str) -> Any:
    return client.put(f"/v1/models/{method}?{query}", data=content, content_type="application/zip", headers=headers)


def changed(content: bytes, files: dict[str, bytes] | None = None, **manifest: Any) -> bytes:
    """Return an archive with other files or another manifest, its checksums right."""
    told, members = archive.unpack(content, receiving.LARGEST_MODEL)
    members |= files or {}
    sums = {name: hashlib.sha256(member).hexdigest() for name, member in members.items()}
    return archive.pack(told | {"files": sums} | manifest, members)


def state(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


KEPT = ("method", "inputs", "outputs", "n_rows", "until", "data_hash", "device")


class TestTaking:
    def test_a_pushed_model_answers_the_same_bytes_as_at_home(
        self, client: FlaskClient, packed: bytes, saved: Path, laboratory: Laboratory, tmp_path: Path
    ) -> None:
        assert client.post("/v1/invert", json=ASKED).status_code == 409
        told = put(client, packed)
        assert told.status_code == 200
        entry = told.get_json()
        assert (entry.pop("replaced"), entry.pop("warnings")) == (None, [])
        assert client.get("/v1/models").get_json()["models"] == [entry | {"stale": None}]
        assert entry["device"] == "sim"
        with Laboratory(Config(state=tmp_path / "home")) as home:
            shutil.copytree(saved, home.store.folder)
            queue = Jobs(home.journal)
            own = create_app(home, queue).test_client().post("/v1/invert", json=ASKED)
            queue.close()
        assert client.post("/v1/invert", json=ASKED).get_data() == own.get_data()
        assert {n: c for n, c in state(laboratory.store.folder).items() if n.startswith("linear/")} == {
            n: c for n, c in state(saved).items() if n.startswith("linear/")
        }

    def test_it_says_what_it_replaced_and_if_match_names_that(self, client: FlaskClient, packed: bytes) -> None:
        first = put(client, packed).get_json()
        own = {name: first[name] for name in KEPT}
        other = changed(packed, data_hash="f" * 64)
        assert put(client, other, **{"If-Match": f'"{"0" * 64}"'}).status_code == 412
        assert put(client, other, **{"If-Match": f'"{first["data_hash"]}"'}).get_json()["replaced"] == own
        assert client.get("/v1/models").get_json()["models"][0]["data_hash"] == "f" * 64

    def test_another_process_tries_it(self, packed: bytes, laboratory: Laboratory, jobs: Jobs) -> None:
        client = create_app(laboratory, jobs, Beside(laboratory, 60)).test_client()
        torn = put(client, changed(packed, files={"readings.npz": b"PK\x03\x04 torn"}))
        assert (torn.status_code, torn.get_json()["type"]) == (422, "/problems/bad-archive")
        assert put(client, packed).status_code == 200

    def test_a_small_difference_of_versions_is_a_warning(
        self, client: FlaskClient, packed: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        libraries = {"numpy": "2.0.1", "xgboost": "2.1.0", "abacus": "1"}
        here = {"numpy": "2.5.0", "xgboost": None, "abacus": None}
        monkeypatch.setattr(receiving, "_here", here.get)
        (warning,) = put(client, changed(packed, libraries=libraries)).get_json()["warnings"]
        assert warning == "It was fitted with numpy 2.0.1, and here is 2.5.0."


def test_a_library_without_graphics_is_the_same_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "xgboost-cpu":
            raise receiving.PackageNotFoundError
        return "3.0"

    monkeypatch.setattr(receiving, "version", version)
    assert receiving.differences({"xgboost": "3.0"}) == receiving.differences({"xgboost-cpu": "3.0"}) == []
    with pytest.raises(OtherVersions, match=r"xgboost 2\.1"):
        receiving.differences({"xgboost": "2.1"})


def swollen() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, inputs=np.zeros((1_000_000, 3)))
    return buffer.getvalue()


REFUSED: dict[str, tuple[Callable[[bytes], bytes], int, str]] = {
    "no zip": (lambda c: b"hello", 422, "no zip"),
    "cut off": (lambda c: c[:-40], 422, "no zip"),
    "another format": (lambda c: changed(c, format=99), 422, "format 99"),
    "another method": (lambda c: changed(c, method="pls"), 422, "is pls"),
    "other inputs": (lambda c: changed(c, inputs=["salt", "acid", "B"]), 422, "salt acid B"),
    "of a table": (lambda c: changed(c, counts=False), 422, "a table's"),
    "another major version": (lambda c: changed(c, libraries={"numpy": "1.26.4"}), 409, "numpy 1.26.4"),
    "no hash": (lambda c: changed(c, data_hash="x"), 422, "data_hash"),
    "no rows": (lambda c: changed(c, n_rows="many"), 422, "n_rows"),
    "other columns": (lambda c: changed(c, outputs=["415nm"]), 422, "cannot be used"),
    "options of nobody": (lambda c: changed(c, options={"colour": "red"}), 422, "cannot be used"),
    "a member too many": (lambda c: with_member(c, "more.npz"), 422, "not in both"),
    "a path": (lambda c: with_member(c, "../linear.origin.json"), 422, "no plain file name"),
    "a name twice": (lambda c: with_member(c, "manifest.json"), 422, "twice"),
    "a checksum": (lambda c: emptied(bytes(c)), 422, "checksum"),
    "damaged": (lambda c: changed(c, {"readings.npz": b"PK"}), 422, "cannot be used"),
    "swollen arrays": (lambda c: changed(c, {"readings.npz": swollen()}), 422, "compressed"),
}


def emptied(content: bytes) -> bytes:
    """Return an archive whose files are empty, its manifest as it was."""
    manifest, files = archive.unpack(content, receiving.LARGEST_MODEL)
    return archive.pack(manifest, dict.fromkeys(files, b""))


def with_member(content: bytes, name: str) -> bytes:
    buffer = io.BytesIO(content)
    warned = pytest.warns(UserWarning, match="Duplicate name") if name == "manifest.json" else nullcontext()
    with zipfile.ZipFile(buffer, "a") as added, warned:
        added.writestr(name, b"{}")
    return buffer.getvalue()


class TestRefusing:
    @pytest.fixture
    def client(self, fitted: Laboratory, jobs: Jobs) -> FlaskClient:
        return create_app(fitted, jobs).test_client()

    @pytest.mark.parametrize("name", REFUSED)
    def test_what_is_wrong_is_named_and_the_saved_model_stays(
        self, client: FlaskClient, fitted: Laboratory, packed: bytes, name: str
    ) -> None:
        spoil, status, words = REFUSED[name]
        before = state(fitted.store.folder)
        answer = put(client, spoil(packed))
        assert answer.status_code == status, answer.get_data()
        assert answer.content_type == "application/problem+json"
        assert words in answer.get_json()["detail"]
        assert answer.get_json()["remedy"]
        assert state(fitted.store.folder) == before

    def test_another_instrument_s_model_is_refused_unless_it_is_wanted(
        self, client: FlaskClient, packed: bytes
    ) -> None:
        for query in ("device=sim:3", "", "device=sim:3&anyway=false"):
            answer = put(client, packed, query=query)
            assert (answer.status_code, answer.get_json()["type"]) == (409, "/problems/other-instrument")
        assert put(client, packed, query="device=sim:3&anyway=perhaps").status_code == 400
        assert put(client, packed, query="device=sim:3&anyway=true").get_json()["device"] == "sim:3"
        assert "fit its own" in client.post("/v1/invert", json=ASKED).get_json()["warnings"][-1]

    def test_addresses_and_types_that_are_none(self, client: FlaskClient, packed: bytes) -> None:
        assert put(client, packed, method="oracle").status_code == 422
        assert client.put("/v1/models/linear", data=packed, content_type="application/json").status_code == 415

    def test_a_body_that_is_too_large_is_refused(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        assert put(client, b" " * 1_000_001).status_code == 422  # more than other addresses take
        assert put(client, b" " * (receiving.LARGEST_MODEL + 1)).status_code == 413

    def test_one_that_unpacks_to_too_much_is_refused(self) -> None:
        bomb = archive.pack({}, {"a.npz": bytes(3_000_000)})
        assert len(bomb) < 10_000
        with pytest.raises(BadArchive, match="more than 2000000"):
            archive.unpack(bomb, 2_000_000)

    @settings(max_examples=80, deadline=None, suppress_health_check=HARMLESS)
    @given(data=st.data())
    def test_a_corrupted_archive_is_refused_or_taken_and_never_breaks_anything(
        self, client: FlaskClient, fitted: Laboratory, packed: bytes, data: st.DataObject
    ) -> None:
        whole, before = bytearray(packed), state(fitted.store.folder)
        for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
            whole[place] ^= data.draw(st.integers(1, 255))
        end = data.draw(st.just(len(whole)) | st.integers(0, len(whole)))
        answer = put(client, bytes(whole[:end]))
        assert answer.status_code in {200, 409, 422}, answer.get_data()
        if (
            answer.status_code == 200
        ):  # what was hit is of no account, such as a date: the files are those that were sent
            assert storage.read(fitted.store.folder / "linear")[1] == archive.unpack(packed, 10**8)[1]
        else:
            assert answer.get_json()["remedy"]
            assert state(fitted.store.folder) == before

    @settings(max_examples=25, deadline=None, suppress_health_check=HARMLESS)
    @given(data=st.data())
    def test_any_manifest_is_answered_or_refused(
        self, client: FlaskClient, fitted: Laboratory, packed: bytes, data: st.DataObject
    ) -> None:
        manifest = archive.unpack(packed, 10**8)[0]
        key = data.draw(st.sampled_from(sorted(manifest.keys() - {"files"})))
        leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.floats(allow_nan=False)
        value = data.draw(
            st.recursive(leaves, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=3), s))
        )
        before = state(fitted.store.folder)
        answer = put(client, changed(packed, **{key: value}))
        assert answer.status_code in {200, 409, 422}, answer.get_data()
        assert answer.status_code == 200 or state(fitted.store.folder) == before
        assert client.get("/v1/models").status_code == 200
        if answer.status_code == 200:
            assert client.post("/v1/invert", json=ASKED).status_code == 200


class TestCommand:
    @pytest.fixture
    def url(self, laboratory: Laboratory, jobs: Jobs) -> Iterator[str]:
        """A server of this laboratory on the loopback interface."""
        server = make_server("127.0.0.1", 0, create_app(laboratory, jobs), threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()

    def test_a_line_a_model_says_what_became_of_it(self, cli: Cli, saved: Path, url: str) -> None:
        first = cli("push", "linear", "--models", saved, "--to", url)
        assert first.code == 0, first.err
        assert first.out.startswith("linear: that of 60 readings of sim (")
        assert first.out.endswith(f" now answers at {url}, nothing was there\n")
        every = cli("push", "--models", saved, "--to", f"{url}/")
        assert len(every.out.splitlines()) == 3
        assert "in place of that of 60 readings" in every.out.splitlines()[0]

    def test_json_is_what_the_server_said(self, cli: Cli, saved: Path, url: str, laboratory: Laboratory) -> None:
        document = cli("push", "pls", "gmm", "--models", saved, "--to", url, "--json").json
        assert [m["method"] for m in document["models"]] == ["pls", "gmm"]
        assert [{k: m[k] for k in KEPT} for m in document["models"]] == laboratory.store.entries()

    def test_what_was_measured_at_that_address_is_the_server_s_own(self, saved: Path, url: str, tmp_path: Path) -> None:
        store = copied(saved, tmp_path, f"{url} (sim)")
        assert Target(url).push(store, "linear")["device"] == "sim"

    def test_a_refusal_is_in_the_server_s_words(self, cli: Cli, saved: Path, url: str, tmp_path: Path) -> None:
        folder = copied(saved, tmp_path, "http://elsewhere (sim)").folder
        refused = cli("push", "linear", "--models", folder, "--to", url)
        assert refused.code == 1
        assert "refuses linear: The model was fitted to readings of http://elsewhere (sim)" in refused.err
        assert cli("push", "linear", "--models", folder, "--to", url, "--anyway").code == 0
        assert "another than the one" in cli("push", "linear", "--models", saved, "--to", url, "--if-match", "00").err

    def test_one_that_is_too_large_is_not_sent(
        self, cli: Cli, saved: Path, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pushing, "LARGEST_MODEL", 1_000_100)
        assert (
            "linear model has 0 MB, more than is taken there"
            in cli("push", "linear", "--models", saved, "--to", url).err
        )

    def test_a_damaged_model_is_not_sent(self, cli: Cli, saved: Path, url: str, tmp_path: Path) -> None:
        store = copied(saved, tmp_path, "sim")
        next((store.folder / "linear").glob("readings-*")).write_bytes(b"x")
        assert "checksum" in cli("push", "linear", "--models", store.folder, "--to", url).err

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (("--to", "raspberrypi"), 2, "no address"),
            (("--to", "http://["), 2, "no address"),
            (("--to", "http://127.0.0.1:9"), 1, "does not answer"),
            (("forest", "--to", "http://127.0.0.1:9"), 1, "no forest model"),
            (("--if-match", "00", "--to", "http://127.0.0.1:9"), 2, "of one model"),
        ],
    )
    def test_what_cannot_be_is_said(self, cli: Cli, saved: Path, arguments: Any, code: int, words: str) -> None:
        done = cli("push", *arguments, "--models", saved)
        assert done.code == code
        assert words in done.err

    def test_nothing_saved_is_said(self, cli: Cli, tmp_path: Path) -> None:
        assert "no saved model" in cli("push", "--models", tmp_path / "none", "--to", "http://127.0.0.1:9").err


def copied(saved: Path, tmp_path: Path, device: str) -> Any:
    """Return a store of the same models, of another instrument."""
    store = Laboratory(Config(state=tmp_path / "copy")).store
    shutil.copytree(saved, store.folder)
    for origin in store.folder.glob("*.origin.json"):
        origin.write_text(json.dumps(json.loads(origin.read_text()) | {"device": device}))
    return store


def test_an_address_with_a_password_does_not_show_it() -> None:
    target = Target("http://me:secret@127.0.0.1:8000/")
    assert target.url == "http://127.0.0.1:8000"
    with pytest.raises(BadArgument):
        Target("ftp://127.0.0.1")
