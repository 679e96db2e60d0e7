"""Build the book with the newest Sphinx and MyST-NB, without Jupyter Book.

Jupyter Book 1 holds Sphinx at 7. This builds the same sources with an environment of its own,
``_build/canary``, whose packages are not pinned, so that a break shows before it matters.
Jupyter Book translates ``_config.yml``; its own extensions are left out. No page is
executed: outputs come from the cache of the last ``make book``.
"""

import argparse
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "_build" / "canary"
EXTENSIONS = ROOT / "book" / "_ext"
OWN = ("jupyter_book", "sphinx_jupyterbook_latex")
# As they are now. `lib` needs numpy and matplotlib, the table of equations jupytext and nbformat.
PACKAGES = (
    "sphinx",
    "myst-nb",
    "sphinx-book-theme",
    "sphinx-external-toc",
    "sphinx-multitoc-numbering",
    "sphinx-design",
    "sphinx-copybutton",
    "sphinxcontrib-bibtex",
    "numpy",
    "matplotlib",
    "jupytext",
    "nbformat",
    "mini-racer",
    "tinycss2",
)
NAMED = ("sphinx", "myst-nb", "myst-parser", "sphinx-book-theme", "docutils")
VERSIONS = (
    "import importlib.metadata as m, sys\n"
    "print(*(f'{name} {m.version(name)}' for name in sys.argv[1:]), sep=', ')"
)
CONF = '''"""Written by tools/canary.py from _config.yml."""

import json
import sys
from pathlib import Path

sys.path[:0] = {path!r}

import execution

# Outputs are looked up under the versions of the packages that they were made with.
execution.beneath = lambda: {beneath!r}

globals().update(json.loads(Path(__file__).with_name("settings.json").read_text()))
'''


def settings() -> dict[str, Any]:
    """Return what Jupyter Book makes of ``_config.yml``, for a Sphinx without it."""
    from jupyter_book.config import get_final_config

    made, _ = get_final_config(
        user_yaml=ROOT / "_config.yml",
        sourcedir=ROOT,
        cli_config={"latex_individualpages": False},
    )
    made["extensions"] = [name for name in made["extensions"] if name not in OWN]
    made["external_toc_path"] = str(ROOT / "_toc.yml")
    for name in ("html_static_path", "templates_path", "bibtex_bibfiles"):
        made[name] = [str(ROOT / path) for path in made[name]]
    for name in ("html_logo", "html_favicon"):
        made[name] = str(ROOT / made[name])
    made["autodoc_mock_imports"] = ["torch"]
    made["nb_execution_cache_path"] = str(HOME / "cache")
    return dict(made)


def configure() -> None:
    """Write ``conf.py`` and its settings, and copy the cache of outputs."""
    sys.path.insert(0, str(EXTENSIONS))
    import execution

    text = CONF.format(path=[str(ROOT), str(EXTENSIONS)], beneath=execution.beneath())
    (HOME / "conf.py").write_text(text, encoding="utf-8")
    (HOME / "settings.json").write_text(json.dumps(settings(), indent=1), encoding="utf-8")
    shutil.rmtree(HOME / "cache", ignore_errors=True)
    shutil.copytree(ROOT / "_build" / ".jupyter_cache", HOME / "cache")


def main() -> int:
    """Build; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the book with the newest Sphinx.")
    parser.add_argument("--keep", action="store_true", help="keep the packages of the last time")
    arguments = parser.parse_args()
    if not (ROOT / "_build" / ".jupyter_cache").is_dir():
        print("error: no outputs to show; run make book first", file=sys.stderr)
        return 1
    python = HOME / "venv" / "bin" / "python"
    if not arguments.keep or not python.is_file():
        venv.create(HOME / "venv", with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *PACKAGES], check=True)
    configure()
    subprocess.run([python, "-c", VERSIONS, *NAMED], check=True)
    build = [python, "-m", "sphinx", "-W", "-n", "--keep-going", "-E", "-q"]
    done = subprocess.run([*build, "-c", HOME, ROOT, HOME / "html"], cwd=ROOT, check=False)
    print("The canary lives." if done.returncode == 0 else "The canary is dead: see above.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
