"""Feedback pages in one archive, named as the platform wants them back."""

import zipfile
from pathlib import Path
from typing import Any

from grading import collect
from grading.assignment import CourseError
from grading.gather import Skipped

NAMES = {
    # What Moodle's importer reads needs an underscore after the fourth word.
    "moodle": lambda prefix, file: f"{prefix.rstrip('_')}_{file}",
    "canvas": lambda prefix, file: f"{prefix}{file}",
    "blackboard": lambda prefix, file: f"{prefix.rstrip('_')}_{file}",
    "brightspace": lambda prefix, file: f"{prefix.rstrip(' -')}/{file}",
    "gradescope": lambda prefix, file: f"{prefix}/{file}",
    "sakai": lambda prefix, file: f"{prefix}/Feedback Attachment(s)/{file}",
    "classroom": lambda prefix, file: f"{prefix}{file}",
    "plain": lambda prefix, file: f"{prefix.rstrip('_-. ')}/{file}",
}
"""How a platform calls a page, from how it called what was handed in."""


def pack(
    course: Any, chapter: str, platform: str, target: Path
) -> tuple[int, list[Skipped], list[str]]:
    """Write an archive of the feedback pages of those who were collected from a platform.

    Returns
    -------
    count, skipped, others
        How many pages are in it; whose are missing; who came another way.

    Raises
    ------
    CourseError
        Where nothing was collected from this platform.
    """
    known = collect.names_of(collect.record_path(course.root, chapter), platform)
    if not known:
        raise CourseError(f"nothing of {chapter} was collected from {platform}")
    pattern = course.folder("feedback", "*", chapter)
    given = {path.parent.name for path in pattern.parent.parent.glob(f"*/{chapter}")}
    skipped: list[Skipped] = []
    count = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for student in sorted(known):
            page = course.folder("feedback", student, chapter) / f"{chapter}.html"
            if not page.is_file():
                why = f"there is no page: nbgrader generate_feedback {chapter}"
                skipped.append(Skipped(student, page.name, why))
            else:
                archive.write(page, NAMES[platform](known[student], page.name))
                count += 1
    temporary.replace(target)
    return count, skipped, sorted(given - set(known))
