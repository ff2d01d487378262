"""The command line: a thin front of the laboratory. Exit codes: 0 done, 1 failed, 2 asked wrongly."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from retrolux.server.cli.failures import exit_code, sentence
from retrolux.server.signals import end_in_order, handled

COMMANDS = {
    "demo": ("demonstrate", "Collect, fit five models, invert, play the answers back."),
    "measure": ("measuring", "Measure one setting and log it."),
    "collect": ("collecting", "Measure a design; interrupted, it goes on where it stopped."),
    "doctor": ("doctoring", "Test the instrument and this machine; say in plain words what is wrong."),
    "tune": ("tuning", "Find the sensor's clock and gain steps, and measure with less noise from then on."),
    "fit": ("fitting", "Fit models to a log and save them."),
    "push": ("pushing", "Send saved models to another Retrolux, such as a Raspberry Pi."),
    "invert": ("asking", "Which inputs give these counts?"),
    "aim": ("aiming", "Meet a target on the instrument: invert, measure, correct."),
    "predict": ("asking", "Which counts will these inputs give?"),
    "sample": ("asking", "Draw joint or conditional samples from a model."),
    "evaluate": ("evaluating", "Score the methods on readings they have not seen."),
    "advise": ("advising", "Which methods fit these readings, and why?"),
    "learn-curve": ("learning", "How many readings an inverse needs, by method and design."),
    "validate": ("validating", "Measure a fixed protocol; write a dated report that others can compare."),
    "compare": ("comparing", "Can two logs be told apart? A classifier two-sample test."),
    "example": ("example", "Write an example table: a made-up formulation of five ingredients."),
    "serve": ("serve", "Answer over HTTP."),
    "dark": ("darkening", "Make the light dark, whatever left it on."),
}


class LazyGroup(click.Group):
    """Commands that are imported when they are called, so that ``--help`` is quick."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the commands in the order of a first session."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return the command, importing its module."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"retrolux.server.cli.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retrolux", prog_name="retrolux")
def retrolux() -> None:
    """Ask a light for a spectrum; get the knob settings that make it, how sure they are, and proof."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line; an error is one line on stderr, with its remedy."""
    # our matrices are small: threads would only wait for one another, and for whoever else uses the cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        with handled(end_in_order):
            result: Any = retrolux.main(arguments, prog_name="retrolux", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(_complain("Interrupted; what was measured is in the log.", 1))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        sys.exit(_complain(sentence(error), code))
    sys.exit(result if isinstance(result, int) else 0)


def _complain(text: str, code: int) -> int:
    click.echo(f"retrolux: {text}", err=True)
    return code
