"""When a submission was handed in, as ``timestamp.txt`` beside it says."""

import os
from pathlib import Path

from nbgrader.utils import parse_utc

from grading import intake
from grading.limits import Limits

TIMESTAMP = "timestamp.txt"


def read_timestamp(folder: Path) -> str:
    """Return what ``timestamp.txt`` of a submission says, or an empty string.

    Raises
    ------
    Refused
        Where it is no plain file, or no time.
    """
    path = folder / TIMESTAMP
    if not os.path.lexists(path):
        return ""
    try:
        text = intake.read(path, Limits(notebook=200)).decode("ascii").strip()
        parse_utc(text)
    except intake.Refused as error:
        raise intake.Refused(f"{TIMESTAMP}: {error}") from error
    except (ValueError, OverflowError) as error:
        raise intake.Refused(f"{TIMESTAMP} holds no time") from error
    return text
