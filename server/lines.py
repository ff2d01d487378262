"""The program's log under systemd: one line an event, as the journal wants it and programs read it.

A line begins with its priority, ``<6>`` (sd-daemon(3)), and is logfmt behind it: ``key=value`` with a value in double
quotes, and escaped as in JSON, where it is more than a word. On a terminal nothing changes: warnings, in words.

Written here because the journal's own library (systemd-python) has to be compiled, and logfmt is one line of code.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import TextIO

WARNING = 4
"""Priority of an event that a terminal is not told of, where whoever asked is told anyway."""
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, WARNING), (logging.INFO, 6))
LONGEST = 8000  # characters of a value: the journal tears lines of more than 48 KB apart
_WORD = re.compile(r"[\w.:/+@%~-]+", re.ASCII)


class Logfmt(logging.Formatter):
    """Writes ``<4>event=… key=value``; a record's own fields stand in its ``fields``.

    So may a ``priority``, where it is another than the level's.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; whatever it is made of, it is one."""
        fields = dict[str, object](getattr(record, "fields", {}))
        if fields:
            fields = {"event": record.getMessage()} | fields
        else:
            fields = {"event": "message", "logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            fields |= {"error": record.exc_info[0].__name__, "traceback": self.formatException(record.exc_info)}
        return f"<{getattr(record, 'priority', _priority(record.levelno))}>" + " ".join(
            f"{key}={_value(value)}" for key, value in fields.items()
        )


def _priority(level: int) -> int:
    return next((priority for least, priority in PRIORITIES if level >= least), 7)


def _value(value: object) -> str:
    text = str(value)
    if len(text) > LONGEST:
        text = f"…{text[-LONGEST:]}"  # of a traceback the end says what happened
    return text if _WORD.fullmatch(text) else json.dumps(text)


def is_journal(environment: Mapping[str, str], stream: TextIO) -> bool:
    """Return whether a stream goes to the journal, by ``$JOURNAL_STREAM`` (systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def log_to_the_journal(environment: Mapping[str, str], stream: TextIO | None = None) -> bool:
    """Log as the journal wants it where stderr goes there, and return whether it does."""
    stream = stream or sys.stderr
    if not is_journal(environment, stream):
        return False
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Logfmt())
    logging.getLogger().addHandler(handler)
    logging.getLogger("retrolux").setLevel(logging.INFO)
    return True
