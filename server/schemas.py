"""Requests and answers of the HTTP interface, as pydantic models; OpenAPI is generated from them."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictStr, model_validator

Count = Annotated[FiniteFloat, Field(description="counts at the reference exposure, gain 128 × 280.78 ms")]
Duty = Annotated[FiniteFloat, Field(ge=0, le=1, description="duty of the light's channel")]
MOST_NAMES = 1000
"""Columns that a request may name: a table's model may have many."""
MOST_TARGETS = 100_000
MOST_DRAWS = 10_000_000
"""Of a request of many targets, samples of all together."""
Name = Annotated[str, Field(max_length=200)]
Counts = Annotated[dict[Name, Count], Field(max_length=MOST_NAMES)]
Duties = Annotated[dict[Name, Duty], Field(max_length=MOST_NAMES)]
Method = Literal["linear", "pls", "gmm", "forest", "bayes"]
METHODS = get_args(Method)


class Request(BaseModel):
    """A body that a client sends; a field it does not know is refused, and so is a number in quotes."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """A body that the server sends."""

    model_config = ConfigDict(extra="allow")


class ExposureRequest(Request):
    """Gain and integration time of one reading: (atime + 1)(astep + 1) · 2.78 µs."""

    gain: FiniteFloat = Field(128, description="0.5, 1, 2, 4 … 512")
    atime: int = Field(100, ge=0, le=255)
    astep: int = Field(999, ge=0, le=65534)


class MeasureRequest(Request):
    """Set the light to these duties and read the sensor."""

    inputs: Duties = Field(examples=[{"R": 0.47, "G": 0.23, "B": 0.52}])
    channels: list[Name] | None = Field(None, max_length=100, description="channels to read; all ten by default")
    exposure: ExposureRequest | Literal["auto"] | None = Field(
        None, description="of this reading alone, or auto: each channel at its own; the instrument's own by default"
    )
    dark: Literal["before", "after"] | None = Field(None, description="also read with the light off, then")


class AmbientAnswer(Answer):
    """What is known of the ambient light of a reading."""

    out: dict[str, Count]
    by: Literal["dark", "estimate", "last dark"] = Field(description="dark: measured for this reading")
    age: float = Field(description="seconds since what it rests on was measured")


class Reading(Answer):
    """One reading, in the form of the log: duties in, raw counts out, and the settings beside them."""

    in_: list[float] = Field(alias="in")
    out: dict[str, int]
    time: float = Field(description="seconds since the epoch, UTC")
    id: str
    device: str
    gain: float | dict[str, float] | None = Field(None, description="one, or one for each channel where they differ")
    atime: int | dict[str, int] | None = None
    astep: int | dict[str, int] | None = None
    saturated: list[str]
    elapsed: float
    duty: list[float] | None = Field(None, description="the duties really set, the nearest that the light has")
    clock: Literal["unsynchronised"] | None = Field(
        None, description="only where `time` is of a clock that nobody had set"
    )
    dark: dict[str, int] | None = Field(None, description="raw counts with the light off, at the same exposures")
    ambient: AmbientAnswer | None = None


class ClaudeLightReading(BaseModel):
    """What Claude-Light answers: duties in, raw counts out."""

    model_config = ConfigDict(extra="forbid")
    in_: list[float] = Field(alias="in")
    out: dict[str, int]


class KnownPair(Request):
    """Inputs, and what they gave."""

    inputs: Duties = Field(examples=[{"R": 0.47, "G": 0.23, "B": 0.52}])
    outputs: Counts | None = Field(None, description="those that are not named are predicted")


class InvertRequest(Request):
    """Which inputs give this target?"""

    target: Counts = Field(examples=[{"445nm": 16384, "515nm": 16384, "630nm": 16384}])
    model: Method = "gmm"
    samples: int = Field(500, ge=2, le=100_000)
    net: bool = Field(False, description="the target is of the light alone, without the ambient light")
    sensitivity: bool = Field(False, description="also tell how the inputs move with each channel of the target")
    path: KnownPair | None = Field(None, description="also follow the answer continuously from this known pair")
    playbacks: int = Field(0, ge=0, le=1000, description="times the answer is played back on the instrument")


class ManyRequest(Request):
    """Which inputs give each of these targets? They name the same channels."""

    names: list[Name] = Field(min_length=1, max_length=MOST_NAMES, examples=[["445nm", "515nm", "630nm"]])
    targets: list[Annotated[list[Count], Field(max_length=MOST_NAMES)]] = Field(
        min_length=1, max_length=MOST_TARGETS, description="a row a target, a number a name"
    )
    model: Method = "gmm"
    samples: int = Field(500, ge=2, le=100_000)
    net: bool = Field(False, description="the targets are of the light alone, without the ambient light")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if len(self.targets) * self.samples > MOST_DRAWS:
            raise ValueError(f"targets times samples may be {MOST_DRAWS} at most")
        return self


class ManyAnswer(Answer):
    """Inputs that should give each target: a row a target, in their order; further solutions are not looked for."""

    model: Method
    names: list[str] = Field(description="the targets' channels, in the model's order")
    input_names: list[str]
    output_names: list[str]
    inputs: list[list[float]]
    std: list[list[float]]
    interval90: list[list[tuple[float, float]]]
    predicted: list[list[float]]
    feasible: list[bool]
    in_domain: list[bool]
    score: list[float] = Field(description="distance to what can be met, in units of a reading's scatter")
    p: list[float] = Field(description="how often a reading of the nearest inputs would be as far away")
    novelty_p: list[float]
    several: list[bool] = Field(description="where a question of its own may find several answers: /v1/invert")
    warnings: list[str]


class AimRequest(Request):
    """Meet this target on the instrument: invert, measure, correct, a few times."""

    target: Counts = Field(examples=[{"445nm": 16384, "515nm": 16384, "630nm": 16384}])
    model: Method = "bayes"
    shots: int = Field(3, ge=1, le=20, description="at most so many readings")
    anyway: bool = Field(False, description="also where the model holds the target to be unattainable")
    seed: int = Field(0, ge=0, le=2**31 - 1)


class AttainableAnswer(Answer):
    """How far a target is from what can be met, what comes nearest, and what stands in its way."""

    score: float = Field(ge=0, description="distance to what can be met, in units of a reading's scatter")
    p: float = Field(ge=0, le=1, description="how often a reading of the nearest inputs would be as far away")
    nearest: dict[str, float] = Field(description="the attainable counts nearest to the target")
    inputs: dict[str, float] = Field(description="the inputs that give them")
    conflicts: list[list[str]] = Field(
        description="outputs out of their own reach, then the smallest set that cannot be met together"
    )
    reach: dict[str, tuple[float, float]] = Field(description="what the outputs out of their own reach can have")


class SensitivityAnswer(Answer):
    """How an answer moves with its target; of a table, for one unit more of an output."""

    per_1000_counts: dict[str, dict[str, float]] | None = Field(
        None, description="by channel, then by input: the move of the input, in input units, for 1000 counts more"
    )
    per_unit: dict[str, dict[str, float]] | None = None
    of: str = Field(description="what it is the derivative of")


class PathRow(Answer):
    """A point on the way to a target."""

    fraction: float = Field(ge=0, le=1)
    inputs: dict[str, float]
    outputs: dict[str, float]


class PathAnswer(Answer):
    """The way from a known pair to a target, along one branch of answers."""

    inputs: dict[str, float]
    outputs: dict[str, float]
    complete: bool
    stopped: str | None = Field(description="why it ends before the target")
    path: list[PathRow]


class SolutionAnswer(Answer):
    """Inputs that should give the target, and how sure they are."""

    model: Method
    target: dict[str, float]
    inputs: dict[str, float]
    std: dict[str, float]
    interval90: dict[str, tuple[float, float]]
    ellipsoid90: list[list[float]] | None = Field(
        None, description="E: 90 % of inputs x lie where (x − inputs)ᵀ E⁻¹ (x − inputs) ≤ 1; in the order of `inputs`"
    )
    predicted: dict[str, float]
    feasible: bool
    in_domain: bool
    warnings: list[str]
    weight: float = Field(description="share of all possible inputs that it stands for; of all solutions 1")
    solutions: list["SolutionAnswer"]
    sensitivity: SensitivityAnswer | None = Field(None, description="where it was asked for")
    path: PathAnswer | None = Field(None, description="where it was asked for")
    ambient: dict[str, float] | None = Field(
        None, description="counts of ambient light that the target is met in, where the latest readings tell it"
    )
    attainable: AttainableAnswer | None = Field(None, description="what `feasible` rests on")
    novelty_p: float | None = Field(
        None, ge=0, le=1, description="how often the model's readings are as unlike the others as this target is"
    )
    n_rows: int | None = Field(None, description="how many readings the model knows")
    until: float | None = Field(None, description="when the latest of them was made, seconds since the epoch")
    measured: dict[str, float] | None = Field(None, description="mean of the playbacks, where there were any")
    error_percent: dict[str, float | None] | None = Field(None, description="100 (measured − target) / target")


class PredictRequest(Request):
    """Which outputs do these inputs give?"""

    inputs: Duties = Field(examples=[{"R": 0.47, "G": 0.23, "B": 0.52}])
    model: Method = "gmm"


class PredictAnswer(Answer):
    """Forward prediction, in counts at the reference exposure."""

    model: Method
    inputs: dict[str, float]
    predicted: dict[str, float]


class SampleRequest(Request):
    """Draw joint samples, or conditional ones where columns are given."""

    model: Method = "gmm"
    n: int = Field(500, ge=1, le=100_000)
    given: dict[Name, FiniteFloat] = Field(default_factory=dict, max_length=MOST_NAMES)
    seed: int = Field(0, ge=0, lt=2**31)


class SampleAnswer(Answer):
    """Samples, a row each."""

    model: Method
    given: dict[str, float]
    columns: list[str]
    rows: list[list[float]]


class ForestOptions(Request):
    """Size of the forest: the small one about a line, or the paper's, which takes a minute for a hundred readings."""

    preset: Literal["small", "paper"] = "small"


class FitRequest(Request):
    """Fit these methods to the server's log; all that are installed by default."""

    models: list[Method] | None = Field(None, min_length=1, max_length=len(METHODS))
    seed: int = Field(0, ge=0, lt=2**31)
    forest: ForestOptions | None = Field(None, description="of the method forest")


class Job(Answer):
    """Work that goes on while you ask."""

    id: StrictStr
    kind: str
    state: Literal["queued", "running", "finished", "failed", "cancelled", "interrupted"]
    progress: float = Field(ge=0, le=1)
    started: float
    finished: float | None
    result: Any
    problem: dict[str, Any] | None


class ModelEntry(Answer):
    """A fitted model: what it knows and since when."""

    method: Method
    inputs: list[str]
    outputs: list[str]
    n_rows: int
    data_hash: str
    until: float | None = Field(description="when the latest reading was made that it learnt, s since the epoch")
    device: str
    stale: str | None = Field(description="why it should be fitted again, as far as it was asked since")


class PushAnswer(ModelEntry):
    """A model that was taken in, as it is listed from now on."""

    replaced: ModelEntry | None = Field(description="the one that was there before")
    warnings: list[str] = Field(description="in words, such as libraries that differ a little")


class ModelsAnswer(Answer):
    """The models that are fitted, and the methods that could be."""

    models: list[ModelEntry]
    methods: list[Method]


class JobsAnswer(Answer):
    """Jobs of the server since it began, and those that were interrupted and not taken up, oldest first."""

    jobs: list[Job]


class LogAnswer(Answer):
    """The newest readings of the log, oldest first."""

    total: int
    readings: list[dict[str, Any]]


class StatusAnswer(Answer):
    """What the server is and does."""

    version: str
    device: str
    instrument: dict[str, Any]
    log: dict[str, Any]
    machine: "MachineAnswer"
    models: list[str]
    jobs: int
    uptime: float


class MachineAnswer(Answer):
    """How the machine does, each None where it does not tell."""

    temperature: float | None = Field(description="of the processor, °C")
    undervoltage: bool | None = Field(description="whether the supply's voltage is too low now")
    undervoltage_since_boot: bool | None
    synchronised: bool | None = Field(description="whether readings are dated by a clock that is set")


class HealthAnswer(Answer):
    """The process answers."""

    status: Literal["ok"]


class Check(Answer):
    """What was found of one thing that a reading needs."""

    name: Literal["sensor", "disk", "clock"]
    state: Literal["good", "odd", "bad", "skipped"] = Field(description="bad alone stands in the way of a reading")
    seen: str
    remedy: str = Field(description="what to do, where it is not good")
    fault: str
    numbers: dict[str, Any]


class ReadyAnswer(Answer):
    """A reading could be made and kept; a problem document has the same checks."""

    status: Literal["ready"]
    checks: list[Check]


class Problem(BaseModel):
    """What went wrong (RFC 9457), with its remedy."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
