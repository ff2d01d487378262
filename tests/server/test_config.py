"""Where the configuration is found and what it makes of the instrument."""

import re
from pathlib import Path

import pytest

from retrolux.server.config import Config, default_state, find_config, load_config
from retrolux.server.errors import BadConfiguration


def test_the_shipped_defaults_are_claude_lights_wiring() -> None:
    settings = Config().instrument_settings
    assert (settings.red, settings.green, settings.blue) == (19, 13, 12)
    assert (settings.exposure.gain, settings.exposure.atime, settings.exposure.astep) == (128, 100, 999)


def test_the_named_file_comes_before_the_variable(tmp_path: Path) -> None:
    named = tmp_path / "a.toml"
    assert find_config(named, {"RETROLUX_CONFIG": "b.toml"}) == named
    assert find_config(None, {"RETROLUX_CONFIG": "b.toml"}) == Path("b.toml")


def test_state_is_where_systemd_says() -> None:
    assert default_state({"STATE_DIRECTORY": "/var/lib/retrolux"}) == Path("/var/lib/retrolux")
    assert default_state({"XDG_STATE_HOME": "/x"}) == Path("/x/retrolux")


def test_every_entry_is_read(tmp_path: Path) -> None:
    file = tmp_path / "retrolux.toml"
    file.write_text(
        'device = "pi"\nstate = "/s"\nlog = "mine.jsonl"\n[sensor]\ngain = 64\natime = 29\nastep = 599\n'
        '[light]\nred = 1\ngreen = 2\nblue = 3\nfrequency = 500\nbackend = "gpiozero"\n'
        '[remote]\ntimeout = 5\n[serve]\nhost = "::1"\nport = 0\nidle = 0.5\nlearn = false\n'
        '[calibration]\ngain_ratios = { "64" = 0.5 }\n'
    )
    config = load_config(file)
    settings = config.instrument_settings
    assert config.log_path == Path("/s/mine.jsonl")
    assert config.serve.idle == 0.5
    assert config.serve.learn is False
    assert settings.exposure.gain == 64
    assert (settings.red, settings.pwm_frequency, settings.pwm_backend, settings.timeout) == (1, 500, "gpiozero", 5)
    assert config.calibration.gain_ratios == {64.0: 0.5}


def test_what_a_simulated_instrument_is_tried_with_is_read(tmp_path: Path) -> None:
    file = tmp_path / "retrolux.toml"
    file.write_text('[simulator]\nreal_time = true\npins = "/p"\nhang = "/h"\n')
    settings = load_config(file).instrument_settings
    assert (settings.real_time, settings.pins_file, settings.hang_file) == (True, Path("/p"), Path("/h"))
    assert not load_config(None).instrument_settings.real_time


def test_the_home_folder_may_be_written_as_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "retrolux.toml").write_text('state = "~/light"')
    assert load_config(tmp_path / "retrolux.toml").log_path == tmp_path / "light" / "rgb.jsonl"


@pytest.mark.parametrize(
    "text",
    ["[sensor]\natime = 256", "[light]\nbackend = 'magic'", "[remote]\ntimeout = 0", "[serve]\nidle = 0"],
)
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "retrolux.toml").write_text(text)
    with pytest.raises(BadConfiguration, match=r"retrolux\.toml"):
        load_config(tmp_path / "retrolux.toml")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('[light]\nbackend = "foo"', "light.backend: 'foo' is not one of auto, blinka, gpiozero, sysfs, pca9685."),
        ('[sensor]\nsync = "pink"', "sensor.sync: 'pink' is not one of red, green, blue."),
    ],
)
def test_a_name_that_is_none_is_answered_with_those_that_are(tmp_path: Path, entry: str, said: str) -> None:
    path = tmp_path / "retrolux.toml"
    path.write_text(entry)
    with pytest.raises(BadConfiguration, match=re.escape(said)):
        load_config(path)


def test_names_in_names_without_end_are_refused_before_they_are_read(tmp_path):
    place = tmp_path / "retrolux.toml"
    place.write_text("a" + ".a" * 40_000 + " = 1\n")
    with pytest.raises(BadConfiguration, match="a line of it is longer than 1000 bytes"):
        load_config(place)
    place.write_text("# " + "a" * 990 + '\ndevice = "sim:1"\n')
    assert load_config(place).device == "sim:1"
