"""What ``nbgrader generate_assignment`` may put into a release: notebooks, and what is listed."""

import fnmatch
import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from traitlets import List, Unicode


class ReleaseExporter(NotebookExporter):
    """Writes released notebooks; beside them stand the files of an allowlist and no others.

    nbgrader copies all that lies beside a source and is not ignored. Sources, checks and
    right answers in other words lie there too.
    """

    files = List(
        Unicode(),
        ["checks.json"],
        help="What a release holds beside its notebooks: names or patterns, as 'data/*.csv'.",
    ).tag(config=True)

    def __init__(self, config: Any = None, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        converter: Any = self.parent
        if hasattr(converter, "init_assignment"):
            # nbgrader offers no hook between finding sources and copying their files. The
            # exporter is made between the two.
            converter.init_assignment = functools.partial(self.copy, converter.init_assignment)

    def copy(self, init: Callable[[str, str], None], assignment_id: str, student_id: str) -> None:
        """Set up a release as nbgrader does, and copy what is listed in the place of its files."""
        converter: Any = self.parent
        source = Path(converter._format_source(assignment_id, student_id))
        release = Path(converter._format_dest(assignment_id, student_id))
        ignore = converter.coursedir.ignore
        converter.coursedir.ignore = ["*"]
        try:
            init(assignment_id, student_id)
        finally:
            converter.coursedir.ignore = ignore
        for path in list(release.rglob("*")):
            if path.is_file() and path.suffix != ".ipynb":
                path.unlink()
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source)
            listed = any(fnmatch.fnmatchcase(str(name), pattern) for pattern in self.files)
            if path.is_file() and listed:
                self.log.info("Copying %s", path)
                (release / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, release / name)
