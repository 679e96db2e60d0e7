"""What a submission may use."""

from dataclasses import asdict, dataclass
from typing import Any

from traitlets import Bool, Integer
from traitlets.config import Configurable


@dataclass(frozen=True)
class Limits:
    """Limits on one submission; sizes in bytes, times in seconds."""

    cell_seconds: float = 20.0
    """Wall time of one cell of the notebook."""
    call_seconds: float = 10.0
    """Wall time of one call that a test makes."""
    submission_seconds: float = 120.0
    """Wall time of all that the learner's code does."""
    cpu_seconds: int = 120
    """Processor time of one sandbox."""
    memory: int = 2 << 30
    """Address space of a sandbox; it holds one process."""
    storage: int = 64 << 20
    """All files that a sandbox holds at one time."""
    file_size: int = 32 << 20
    """One file."""
    threads: int = 64
    """Threads of a sandbox."""
    open_files: int = 128
    """Open files of a sandbox."""
    cell_output: int = 100_000
    """Text of one cell's outputs."""
    image: int = 1_000_000
    """One picture among the outputs."""
    message: int = 8 << 20
    """One message from the sandbox, hence also one result."""
    notebook: int = 10 << 20
    """The submitted file."""
    cells: int = 400
    """Cells of the submitted notebook."""
    failures: int = 2
    """Time-outs and crashes of one function within one test, after which it is not called again."""
    restarts: int = 12
    """Sandboxes that a submission may use up."""

    def asdict(self) -> dict[str, Any]:
        """Return the limits as a plain dict."""
        return asdict(self)


class Isolate(Configurable):
    """The limits that ``nbgrader_config.py`` may set, as ``c.Isolate.cell_seconds = 30``."""

    sandbox = Bool(True, help="Whether learners' code runs in a sandbox.").tag(config=True)
    cell_seconds = Integer(20, help="Wall time of a cell.").tag(config=True)
    call_seconds = Integer(10, help="Wall time of a call that a test makes.").tag(config=True)
    submission_seconds = Integer(120, help="Wall time of a submission.").tag(config=True)
    memory_megabytes = Integer(2048, help="Memory of a sandbox.").tag(config=True)
    storage_megabytes = Integer(64, help="Files of a sandbox.").tag(config=True)

    def limits(self) -> Limits:
        """Return the configured limits."""
        return Limits(
            cell_seconds=self.cell_seconds,
            call_seconds=self.call_seconds,
            submission_seconds=self.submission_seconds,
            cpu_seconds=self.submission_seconds,
            memory=self.memory_megabytes << 20,
            storage=self.storage_megabytes << 20,
        )
