"""What a submission may use."""

from dataclasses import asdict, dataclass
from typing import Any

from traitlets import Bool, Float, Integer
from traitlets.config import Configurable


@dataclass(frozen=True)
class Limits:
    """Limits on one submission; sizes in bytes, times in seconds of a processor."""

    cell_seconds: float = 20.0
    """One cell of the notebook."""
    call_seconds: float = 10.0
    """One call that a test makes."""
    submission_seconds: float = 120.0
    """All that the learner's code does."""
    patience: float = 3.0
    """Times as long as these, something may take that does nothing."""
    cpu_seconds: int = 120
    """One sandbox, which the system ends then."""
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
    output: int = 500_000
    """Text of all outputs, in characters."""
    image: int = 1_000_000
    """One picture among the outputs, as base64."""
    pictures: int = 8_000_000
    """All pictures among the outputs, as base64."""
    outputs: int = 1000
    """Number of outputs."""
    message: int = 8 << 20
    """One message from the sandbox, hence also one result."""
    notebook: int = 64 << 20
    """The submitted file, with outputs, which nobody looks at."""
    values: int = 3_000_000
    """Commas and brackets of the submitted file: how much memory reading it takes."""
    sources: int = 4 << 20
    """Text of all cells, in characters."""
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
    cell_seconds = Integer(20, help="Processor time of a cell.").tag(config=True)
    call_seconds = Integer(10, help="Processor time of a call that a test makes.").tag(config=True)
    submission_seconds = Integer(120, help="Processor time of a submission.").tag(config=True)
    patience = Float(3.0, help="Times as long, something may take that does nothing.").tag(
        config=True
    )
    memory_megabytes = Integer(2048, help="Memory of a sandbox.").tag(config=True)
    storage_megabytes = Integer(64, help="Files of a sandbox.").tag(config=True)
    notebook_megabytes = Integer(64, help="Size of a submitted file.").tag(config=True)
    source_megabytes = Integer(4, help="Text in the cells of a submitted file.").tag(config=True)
    output_characters = Integer(500_000, help="Text of a submission's outputs.").tag(config=True)
    picture_megabytes = Integer(8, help="Pictures of a submission's outputs.").tag(config=True)

    def limits(self) -> Limits:
        """Return the configured limits."""
        return Limits(
            cell_seconds=self.cell_seconds,
            call_seconds=self.call_seconds,
            submission_seconds=self.submission_seconds,
            patience=self.patience,
            cpu_seconds=self.submission_seconds,
            memory=self.memory_megabytes << 20,
            storage=self.storage_megabytes << 20,
            notebook=self.notebook_megabytes << 20,
            sources=self.source_megabytes << 20,
            output=self.output_characters,
            pictures=self.picture_megabytes * 1_000_000,
        )
