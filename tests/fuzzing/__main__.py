"""Feed a parser inputs that libFuzzer finds: ``time python -m tests.fuzzing log -runs=1000000``.

Needs ``pip install atheris``. It ends with the input, kept as ``crash-…`` in the working folder, where one raises what
is no error of ours, takes more than a second, or brings the process beyond 200 MB over what libraries take; else it
prints how many were tried and the most memory that there was.
"""

import logging
import resource
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["retrolux", "json", "tomllib", "zipfile"]):
    from tests.fuzzing.targets import TARGETS, seeds

MEGABYTES = 200


def main() -> None:
    """Run one target."""
    logging.disable()  # of a million logs, what is said of each
    name, *options = sys.argv[1:]
    parse = TARGETS[name]
    for seed in seeds(name):
        parse(seed)
    begins = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    folder = Path(tempfile.mkdtemp(prefix="retrolux-corpus-"))
    for i, seed in enumerate(seeds(name)):
        (folder / str(i)).write_bytes(seed)
    limits = [f"-rss_limit_mb={begins + MEGABYTES}", "-timeout=1", "-max_len=4096", "-seed=1", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *options, str(folder)], parse, enable_python_coverage=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
