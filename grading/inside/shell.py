"""The shell in which learners' cells run: IPython without kernel, history or terminal.

There are no commands here and no other programs. A cell that asks for one is told so and
goes on, as it would in a notebook.
"""

import base64
import contextlib
from typing import Any

COMMANDS = {
    "line": ("conda", "mamba", "micromamba", "pip", "sx", "system", "!", "uv"),
    "cell": (
        *("!", "bash", "cmd", "perl", "pypy", "python", "python2", "python3", "ruby"),
        *("script", "sh", "sx", "system"),
    ),
}
"""Magics that start a program."""
RUNNING = ("capture", "debug", "prun", "time", "timeit")
"""Magics that run the learner's own code, whose errors are the learner's."""


class Outputs:
    """A cell's outputs, cut off at a number of characters."""

    def __init__(self, room: int, image: int) -> None:
        self.items: list[dict[str, Any]] = []
        self.room = room
        self.image = image
        self.cut = False

    def text(self, text: str) -> str:
        kept = text[: self.room]
        self.room -= len(kept)
        self.cut = self.cut or len(kept) < len(text)
        return kept

    def stream(self, name: str, text: str) -> None:
        text = self.text(text)
        last = self.items[-1] if self.items else {}
        if text and last.get("name") == name:
            last["parts"].append(text)
        elif text:
            self.items.append({"type": "stream", "name": name, "parts": [text]})

    def data(self, bundle: dict[str, Any], result: bool) -> None:
        item: dict[str, Any] = {
            "type": "result" if result else "display",
            "text": self.text(str(bundle.get("text/plain", ""))),
        }
        picture = bundle.get("image/png")
        if isinstance(picture, bytes):
            picture = base64.b64encode(picture).decode()
        if isinstance(picture, str) and len(picture) <= self.image:
            item["png"] = picture
        if len(self.items) < 1000:
            self.items.append(item)

    def error(self, name: str, value: str, lines: list[str]) -> None:
        self.items.append(
            {
                "type": "error",
                "name": self.text(name),
                "value": self.text(value),
                "lines": [self.text(line) for line in lines],
            }
        )


class Stream:
    """``sys.stdout`` or ``sys.stderr`` of the learner's code."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.outputs: Outputs | None = None

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.outputs is not None:
            self.outputs.stream(self.name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False


def make_shell(home: str) -> Any:
    """Make an IPython shell without kernel, history or terminal."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.error import UsageError
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.text import SList
    from traitlets import Type
    from traitlets.config import Config

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
            if STDOUT.outputs is not None:
                STDOUT.outputs.data(format_dict, result=True)

        def finish_displayhook(self) -> None:
            pass

        def log_output(self, format_dict: dict) -> None:
            pass

    class Publisher(DisplayPublisher):
        def publish(self, data: dict, *args: Any, **kwargs: Any) -> None:
            if STDOUT.outputs is not None:
                STDOUT.outputs.data(data, result=False)

        def clear_output(self, wait: bool = False) -> None:
            pass

    class Shell(InteractiveShell):
        displayhook_class = Type(Hook)
        display_pub_class = Type(Publisher)

        def enable_gui(self, gui: Any = None) -> None:
            pass

        def ask_exit(self) -> None:
            pass

        def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
            if STDOUT.outputs is not None:
                STDOUT.outputs.error(etype.__name__, str(evalue), list(stb))

        def raw_input(self, prompt: str = "") -> str:
            raise EOFError("there is nobody to answer")

        def system(self, cmd: str) -> None:
            refuse(cmd)

        system_raw = system_piped = system

        def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
            refuse(cmd)
            return SList([]) if split else ""

        def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
            if magic_name in COMMANDS["line"]:
                refuse(f"{magic_name} {line}")
                return SList([])
            if self.find_line_magic(magic_name) is None:
                STDOUT.write(f"There is no magic %{magic_name} here.\n")
                return None
            if magic_name == "matplotlib":
                line = "inline"
            with self.forgiven(magic_name):
                return super().run_line_magic(magic_name, line, _stack_depth + 1)

        def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
            if magic_name in COMMANDS["cell"]:
                refuse(f"%%{magic_name} {line}")
                return None
            if self.find_cell_magic(magic_name) is None:
                STDOUT.write(f"There is no magic %%{magic_name} here; its cell was not run.\n")
                return None
            with self.forgiven(magic_name):
                return super().run_cell_magic(magic_name, line, cell)

        @contextlib.contextmanager
        def forgiven(self, name: str) -> Any:
            """Have a magic that fails, as what it needs is not here, cost a line of text."""
            kinds = UsageError if name in RUNNING else Exception
            try:
                yield
            except kinds as error:
                STDOUT.write(f"%{name}: {error}\n")

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 0
    config.InteractiveShell.enable_tip = False
    shell = Shell.instance(config=config, ipython_dir=f"{home}/.ipython")
    shell.exit_now = False
    shell.builtin_trap.activate()
    return shell


STDOUT, STDERR = Stream("stdout"), Stream("stderr")


def refuse(command: str) -> None:
    """Tell the learner that a command was not run."""
    STDOUT.write(f"Commands are not run here: {command.strip()[:200]}\n")


def run(shell: Any, source: str, room: int, image: int) -> dict[str, Any]:
    """Run a cell; say what it put out."""
    outputs = Outputs(room, image)
    STDOUT.outputs = STDERR.outputs = outputs
    try:
        shell.run_cell(source, store_history=False)
    except BaseException as error:
        outputs.error(type(error).__name__, str(error), [f"{type(error).__name__}: {error}"])
    finally:
        STDOUT.outputs = STDERR.outputs = None
    items = []
    for item in outputs.items:
        if item["type"] == "stream":
            item = {"type": "stream", "name": item["name"], "text": "".join(item["parts"])}
        items.append(item)
    return {"ok": True, "outputs": items, "cut": outputs.cut}
