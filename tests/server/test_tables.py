"""Tables of any instrument: read whole or refused by line, and led through fit, evaluate and invert."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrolux.device.errors import LogUnreadable
from retrolux.models.errors import BadData
from retrolux.server.errors import BadArgument
from retrolux.server.formulation import INGREDIENTS, PROPERTIES, lines, properties
from retrolux.server.tables import Columns, load_table

XY = Columns(("x",), ("y",))
INPUTS = ",".join(INGREDIENTS)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1,10\n2,20\n3,35\n",
        "# a remark\n\nx, y\n1, 10\n# another\n2, 20\n3, 35\n",
        "x;y\n1,0;10\n2,0;20,0\n3;35\n",
        "x\ty\n1\t10\n2\t20\n3\t35\n",
        "\ufeffx,y\r\n1,10\r\n2,20\r\n3,35\r\n",
        '"x","y","who"\n1,10,"Ann, Bo"\n2,20,Cy\n3,35,\n',
        '{"x": 1, "y": 10}\n{"y": 20, "x": 2}\n{"x": 3, "y": 35, "who": "Ann"}\n',
        '{"in": {"x": 1}, "out": {"y": 10}}\n{"in": {"x": 2}, "out": {"y": 20}}\n{"in": {"x": 3}, "out": {"y": 35}}\n',
        "x,y\n1,10\n2,\n2,20\n,4\n3,35\n",
    ],
    ids=["csv", "remarks", "decimal commas", "tabs", "Excel", "quoted", "JSON Lines", "nested", "blanks"],
)
def test_every_form_says_the_same(tmp_path, text):
    data = load_table(written(tmp_path / "t", text), XY)
    assert data.own_inputs.tolist() == [[1], [2], [3]]
    assert data.inputs.tolist() == [[0], [0.5], [1]]
    assert data.outputs.tolist() == [[10], [20], [35]]
    assert (data.input_names, data.output_names) == (("x",), ("y",))
    assert not data.saturated.any()
    assert data.times is None


@given(st.lists(st.tuples(*[st.floats(-1e8, 1e8)] * 3), min_size=2, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_come_back_from_both_forms(tmp_path, rows):
    csv = written(tmp_path / "t.csv", "a,b,c\n" + "".join(f"{a!r},{b!r},{c!r}\n" for a, b, c in rows))
    jsonl = written(
        tmp_path / "t.jsonl", "".join(json.dumps(dict(zip("abc", row, strict=True))) + "\n" for row in rows)
    )
    for path in (csv, jsonl):
        data = load_table(path, Columns(("a",)))
        assert data.output_names == ("b", "c")
        assert data.outputs.tolist() == [[b, c] for _, b, c in rows]
        assert data.own_inputs[:, 0] == pytest.approx([a for a, _, _ in rows], rel=1e-9, abs=1e-6)


def test_blank_cells_cost_their_row_and_are_counted(tmp_path, caplog):
    load_table(written(tmp_path / "t", "x,y\n1,10\n2,\n3,35\n"), XY)
    assert "rows that lack a number, left out: 1" in caplog.text


def test_a_bound_is_at_least_that(tmp_path):
    data = load_table(written(tmp_path / "t", "x,y\n1,10\n2,> 20\n3,>35\n"), XY)
    assert data.outputs[:, 0].tolist() == [10, 20, 35]
    assert data.saturated[:, 0].tolist() == [False, True, True]


def test_ranges_are_the_readings_own_unless_they_are_given(tmp_path):
    path = written(tmp_path / "t", "x,y\n1,10\n2,20\n3,35\n")
    data = load_table(path, Columns(("x",), ("y",), {"x": (0.0, 4.0)}))
    assert data.inputs[:, 0].tolist() == [0.25, 0.5, 0.75]
    with pytest.raises(BadData, match=r"x is 1, outside 2 … 4"):
        load_table(path, Columns(("x",), ("y",), {"x": (2.0, 4.0)}))
    with pytest.raises(BadArgument, match="no input"):
        Columns(("x",), ("y",), {"z": (0.0, 1.0)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y\n1,10\n2,nan\n", "line 3: y is 'nan', which is no finite number"),
        ("x,y\n1,10\n2,inf\n", "line 3: y is 'inf'"),
        ("x,y\n1,ten\n", "line 2: y is 'ten'"),
        ("x,y\n1,10\n2,20,30\n", "line 3 has 3 cells, and there are 2 columns"),
        ("x;y\n1;1.234,5\n", "y is '1.234,5', which is no finite number"),
        ('x,y\n1,"213,8"\n', "Decimal commas are read where"),
        ("x,y\n1,1e12\n", "larger unit"),
        ("x,x\n1,1\n", "columns' names"),
        ("x,\n1,1\n", "columns' names"),
        ("", "no rows"),
        ("x,y\n", "no rows"),
        ("x,y\n,1\n2,\n", "No row"),
        ("x,y\n>1,1\n2,3\n", "the input x says only"),
        ('{"x": 1, "y": true}\n', "line 1: y is True"),
        ('{"x": 1, "y": [2]}\n', "line 1: y is"),
        ('{"x": 1, "y": NaN}\n', "line 1"),
        ('{"x": 1, "y": 2}\nhello\n', "line 2"),
    ],
)
def test_what_is_no_table_is_refused_by_its_line(tmp_path, text, words):
    with pytest.raises(LogUnreadable, match=words):
        load_table(written(tmp_path / "t", text), XY)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(LogUnreadable, match="cannot be read"):
        load_table(tmp_path / "none.csv", XY)
    (tmp_path / "latin").write_bytes("t °C,y\n1,2\n".encode("latin-1"))
    with pytest.raises(LogUnreadable, match="UTF-8"):
        load_table(tmp_path / "latin", XY)


def test_columns_that_are_not_there_are_named_with_those_that_are(tmp_path):
    path = written(tmp_path / "t", "x,y\n1,10\n")
    with pytest.raises(BadArgument, match=r"no column z\. Choose among x, y"):
        load_table(path, Columns(("x", "z")))
    with pytest.raises(BadArgument, match="named twice"):
        load_table(path, Columns(("x",), ("x", "y")))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--outputs", "y"], "Name its inputs, too"),
        (["--range", "x=0..1"], "Name its inputs, too"),
        (["--inputs", "x,,y"], "names no columns"),
        (["--inputs", "x", "--range", "x=1"], "NAME=LOW..HIGH"),
        (["--inputs", "x", "--range", "x=a..b"], "no finite number"),
        (["--inputs", "x", "--range", "x=2..1"], "no range"),
    ],
)
def test_options_that_cannot_be_are_refused(cli, tmp_path, arguments, words):
    found = cli("fit", written(tmp_path / "t.csv", "x,y\n1,10\n2,20\n3,35\n"), *arguments)
    assert found.code in {1, 2}
    assert words in found.err


@pytest.mark.parametrize("command", [("fit",), ("advise",), ("invert", "y=1", "--data")])
def test_a_table_without_names_is_told_what_is_wanting(cli, home, command):
    path = written(home / "t.csv", "x,y\n1,10\n2,20\n3,35\n")
    found = cli(*command, path)
    assert found.code == 2
    assert "t.csv looks like a table, not a log. Name its input columns, --inputs NAMES" in found.err


def test_a_table_of_json_lines_is_none_either(cli, home):
    path = written(home / "t.jsonl", '{"x": 1, "y": 10}\n{"x": 2, "y": 20}\n{"x": 3, "y": 35}\n')
    found = cli("fit", path)
    assert found.code == 2
    assert "t.jsonl looks like a table, not a log." in found.err


def test_names_with_brackets_stand_as_they_are(cli, home):
    """Units such as [/s] are not the markup of whatever prints tables."""
    rows = "".join(f"{x},{3 * x + x % 2 - x**2 % 3}\n" for x in range(30))
    written(home / "t.csv", "speed [/s],flow [m3/h]\n" + rows)
    fitted = cli("fit", "t.csv", "--inputs", "speed [/s]", "--models", "m", "--model", "linear")
    assert fitted.code == 0, fitted.err
    assert "flow [m3/h]" in fitted.out
    asked = cli("invert", "flow [m3/h]=40", "--models", "m", "--model", "linear", "--sensitivity")
    assert "speed [/s] 13." in asked.out
    assert "flow [m3/h]" in cli("predict", "10", "--models", "m", "--model", "linear").out


def test_numbers_that_were_printed_are_taken_back(cli, home):
    """Rounding must not carry an input over its end."""
    rows = "".join(f"{1000.037 + 9.7 * i},{5 * i + i % 2}\n" for i in range(51))
    written(home / "t.csv", "heat,growth\n" + rows)
    assert cli("fit", "t.csv", "--inputs", "heat", "--models", "m", "--model", "linear").code == 0
    beyond = cli("invert", "growth=900", "--models", "m", "--model", "linear")
    assert "by heat 1485." in beyond.err
    assert cli("predict", "1485", "--models", "m", "--model", "linear").code == 0
    refused = cli("predict", "1490", "--models", "m", "--model", "linear")
    assert "heat is 1490, outside" in refused.err


def test_a_method_is_no_folder(cli, home):
    found = cli("fit", written(home / "t.csv", "x,y\n1,10\n2,20\n3,35\n"), "--inputs", "x", "--models", "linear,gmm")
    assert found.code == 2
    assert "--models names a folder here, and linear,gmm is a method. Choose methods with --model." in found.err


class TestFormulation:
    """Five ingredients give three properties; all of it from the command line."""

    @pytest.fixture
    def fitted(self, cli, home):
        (home / "f.csv").write_text("\n".join(lines(120, 0)) + "\n", encoding="utf-8")
        models = [part for m in ("linear", "pls", "gmm") for part in ("--model", m)]
        found = cli("fit", "f.csv", "--inputs", INPUTS, "--models", "own", *models)
        assert found.code == 0, found.err
        return cli

    @pytest.mark.parametrize("model", ["linear", "pls", "gmm"])
    def test_the_shares_that_it_answers_have_the_properties(self, fitted, model):
        target = {"viscosity": 250.0, "pH": 6.5, "turbidity": 20.0}
        asked = [f"{name}={value}" for name, value in target.items()]
        answer = fitted("invert", *asked, "--models", "own", "--model", model, "--json").json
        assert answer["feasible"]
        for one in (answer, *answer["solutions"]):
            shares = np.array([[one["inputs"][name] for name in INGREDIENTS]])
            ends = np.array(list(INGREDIENTS.values()))
            assert ((shares >= ends[:, 0] - 0.02) & (shares <= ends[:, 1] + 0.02)).all()
            true = dict(zip(PROPERTIES, properties(shares)[0], strict=True))
            assert true["viscosity"] == pytest.approx(250, abs=25)  # a line follows its bend to a tenth
            assert true["pH"] == pytest.approx(6.5, abs=0.05)
            assert true["turbidity"] == pytest.approx(20, abs=3.5)
        assert len(answer["solutions"]) >= 2  # five ingredients, three properties
        assert sum(one["weight"] for one in (answer, *answer["solutions"])) == pytest.approx(1)

    def test_what_cannot_be_is_said_in_its_own_units(self, fitted):
        answer = fitted(
            "invert", "viscosity=250", "turbidity=90", "--models", "own", "--model", "linear", "--json"
        ).json
        assert not answer["feasible"]
        assert any(words.startswith("turbidity: 90 cannot be reached") for words in answer["warnings"])

    def test_a_person_sees_units_and_no_counts(self, fitted):
        found = fitted("invert", "viscosity=250", "pH=6.5", "--models", "own", "--sensitivity")
        assert "output" in found.out
        assert "for 1 more" in found.out
        assert "6.5" in found.out
        assert "counts" not in found.out + found.err
        assert "ambient" not in found.out + found.err

    def test_predictions_take_shares(self, fitted):
        found = fitted("predict", "12", "1.5", "0.6", "5", "0.5", "--models", "own", "--model", "linear", "--json").json
        expected = properties(np.array([[12, 1.5, 0.6, 5, 0.5]]))[0]
        assert list(found["predicted"].values()) == pytest.approx(expected, rel=0.05)
        refused = fitted("predict", "50", "1.5", "0.6", "5", "0.5", "--models", "own", "--model", "linear")
        assert refused.code == 2
        assert "surfactant is 50, outside" in refused.err

    def test_it_is_evaluated_on_another_table(self, fitted, home):
        (home / "g.csv").write_text("\n".join(lines(40, 1)) + "\n", encoding="utf-8")
        arguments = ("--train", "f.csv", "--test", "g.csv", "--inputs", INPUTS, "--models", "linear", "--json")
        score = fitted("evaluate", *arguments).json["models"]["linear"]
        assert 0.02 < score["rmse"]["acid"] < 0.1  # of a per cent; pH tells it
        assert score["rmse"]["surfactant"] > 1  # which nothing tells well

    def test_an_instrument_s_models_are_not_replaced(self, fitted, home):
        found = fitted("fit", "f.csv", "--inputs", "surfactant,salt", "--models", "own")
        assert found.code == 2
        assert "models of other inputs: surfactant salt polymer glycerol acid" in found.err
        assert fitted("invert", "viscosity=250", "--models", "own", "--model", "gmm").code == 0

    def test_a_table_with_a_light_s_names_replaces_no_light_s_models(self, cli, home, readings):
        assert cli("fit", readings, "--model", "linear", "--models", "both").code == 0
        (home / "rgb.csv").write_text(
            "R,G,B,y\n" + "".join(f"{i % 5},{i % 3},{i},{2 * i + i % 5}\n" for i in range(20))
        )
        found = cli("fit", "rgb.csv", "--inputs", "R,G,B", "--models", "both", "--model", "linear")
        assert found.code == 2
        assert "models of other inputs: R G B" in found.err
        assert cli("fit", "rgb.csv", "--inputs", "R,G,B", "--models", "own", "--model", "linear").code == 0
        refused = cli("aim", "y=20", "--model", "linear", "--data", "rgb.csv", "--inputs", "R,G,B")
        assert refused.code == 2

    def test_an_output_that_never_varies_is_no_target_of_an_evaluation(self, cli, home):
        for name, start in (("a.csv", 0), ("b.csv", 30)):
            rows = "".join(f"{x},{3 * x + x % 2},7\n" for x in range(start, start + 30))
            (home / name).write_text("x,y,z\n" + rows, encoding="utf-8")
        asked = (
            "--train",
            "a.csv",
            "--test",
            "b.csv",
            "--inputs",
            "x",
            "--range",
            "x=0..60",
            "--models",
            "linear",
            "--json",
        )
        found = cli("evaluate", *asked)
        assert found.code == 0, found.err
        assert found.json["models"]["linear"]["rmse"]["x"] < 1

    def test_a_damaged_model_is_replaced_by_a_fit(self, fitted, home):
        (home / "own" / "linear" / "manifest.json").write_text("{", encoding="utf-8")
        found = fitted("fit", "f.csv", "--inputs", INPUTS, "--models", "own", "--model", "linear")
        assert found.code == 0, found.err
        assert fitted("invert", "pH=6.5", "--models", "own", "--model", "linear").code == 0

    def test_the_table_answers_without_saved_models(self, fitted):
        found = fitted("invert", "pH=6.5", "--data", "f.csv", "--inputs", INPUTS, "--model", "linear", "--json").json
        assert found["predicted"]["pH"] == pytest.approx(6.5, abs=0.02)
        assert fitted("invert", "pH=6.5", "--inputs", INPUTS).code == 2
        assert "no ambient light" in fitted("invert", "pH=6.5", "--models", "own", "--net").err
        assert "no instrument" in fitted("invert", "pH=6.5", "--data", "f.csv", "--inputs", INPUTS, "--verify").err


def test_an_example_is_written_once(cli, home):
    assert cli("example", "-n", "5", "-o", "f.csv").code == 0
    first = (home / "f.csv").read_text(encoding="utf-8")
    assert first.startswith("# A made-up formulation: computed, not measured.")
    assert len(first.splitlines()) == 7
    assert cli("example", "-n", "5", "-o", "f.csv").code == 2
    assert (home / "f.csv").read_text(encoding="utf-8") == first
    assert cli("example", "-n", "5").out == first
