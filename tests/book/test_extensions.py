"""The local Sphinx extensions: what makes a page stale, and how docstrings are read."""

import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import directives
import execution
import pytest
from docutils import nodes
from docutils.utils import new_document
from jupyter_cache import get_cache
from myst_nb.core.config import NbParserConfig
from myst_parser.config.main import MdParserConfig
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

PAGE = """# A page

```{code-cell} ipython3
:tags: [hide-input]

%matplotlib inline
from lib.rnn import RNN
```

```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  image:
    alt: What it's worth
---
print(1)
```

Words that say `import lib.gru`.
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "lib"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "cell": "A = 1\n",
        "rnn": "from lib import cell\n",
        "gru": "B = 1\n",
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(execution, "ROOT", tmp_path)
    return folder


@pytest.mark.parametrize("module", ["rnn", "cell", "__init__"])
def test_change_of_a_used_module_makes_a_page_stale(tree: Path, module: str) -> None:
    before = execution.key(PAGE)
    (tree / f"{module}.py").write_text((tree / f"{module}.py").read_text() + "C = 2\n")
    assert execution.key(PAGE) != before


def test_change_of_another_module_does_not(tree: Path) -> None:
    before = execution.key(PAGE)
    (tree / "gru.py").write_text("B = 2\n")
    assert execution.key(PAGE) == before


def test_data_that_the_page_reads_count(tree: Path) -> None:
    page = PAGE.replace("print(1)", 'print(open("table.json").read())')
    (tree.parent / "book").mkdir()
    before = execution.key(page)
    (tree.parent / "book" / "table.json").write_text("1")
    assert execution.key(page) != before


def test_import_inside_a_function_counts(tree: Path) -> None:
    (tree / "rnn.py").write_text("def f():\n    import lib.gru\n")
    assert execution.closure(iter(["lib.rnn"])) == ["lib.gru", "lib.rnn"]


def test_all_modules_count_where_code_cannot_be_read(tree: Path) -> None:
    assert set(execution.modules_in("from lib import")) == {
        "lib",
        "lib.cell",
        "lib.gru",
        "lib.rnn",
    }


def test_versions_beneath_count(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = execution.key(PAGE)
    monkeypatch.setattr(execution, "beneath", lambda: "numpy 99")
    assert execution.key(PAGE) != before


def test_equations_move_before_the_sections_and_become_links() -> None:
    lines = [
        "Do it.",
        "",
        "Raises",
        "------",
        "ValueError",
        "    Where not.",
        "",
        "Equations: rnn-state,",
        "rnn-output.",
        "",
        "Source: Elman (1990).",
        "",
        "Examples",
        "--------",
        ">>> 1",
    ]
    directives.rearrange(None, "function", "f", None, None, lines)  # type: ignore[arg-type]
    text = "\n".join(lines)
    assert "Equations: :equation:`rnn-state`, :equation:`rnn-output`." in text
    assert text.index("Equations:") < text.index("Raises")
    assert text.index("Source: Elman (1990).") < text.index("Raises")
    assert text.index("Raises") < text.index("Examples")


def test_a_listing_has_no_markup_and_its_equations_are_linked_below() -> None:
    code = 'def f():\n    """Return ``x``.\n\n    Equations: a-b,\n    c.\n    """\n    return 1\n'
    page = new_document("page")
    method = textwrap.indent(code, "    ")
    listed = nodes.literal_block(method, method, source="lib/f.py", language="python")
    typed = nodes.literal_block(code, code, language="python")
    page += [nodes.container("", listed), typed]
    directives.printed(SimpleNamespace(env=SimpleNamespace(docname="p")), page)
    assert listed.astext() == 'def f():\n    """Return `x`.\n    """\n    return 1\n'
    assert typed.astext() == code
    links = [node["reftarget"] for node in page[1].findall(pending_xref)]
    assert links == ["a-b", "c"]
    assert page[1].astext() == "Equations: a-b, c."


def test_field_with_a_colon_has_no_type() -> None:
    lines = ["What it keeps: the state |h| (N, H)."]
    directives.rearrange(None, "attribute", "f", None, None, lines)  # type: ignore[arg-type]
    assert lines == [r"What it keeps, the state \|h\| (N, H)."]


def test_every_module_of_lib_is_documented_once() -> None:
    there = {path.stem for path in directives.LIB.glob("*.py") if not path.stem.startswith("_")}
    chapters, support = directives.modules("chapters"), directives.modules("support")
    assert sorted(chapters + support) == sorted(there)
    assert chapters[0] == "rnn"


PAGES = {
    "right": "print(1 + 1)",
    "other": "print(1 + 2)",
    "wrong": "raise ValueError('the page is wrong')",
}


def test_pages_are_executed_side_by_side_and_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"
    for name, line in PAGES.items():
        page = f"{front}# {name}\n\n```{{code-cell}} ipython3\n{line}\n```\n"
        (tmp_path / f"{name}.md").write_text(page)
    (tmp_path / "words.md").write_text("# No code\n")
    config = NbParserConfig(
        execution_mode="cache", execution_cache_path=str(tmp_path / "cache"), execution_timeout=60
    )
    env = SimpleNamespace(
        mystnb_config=config,
        myst_config=MdParserConfig(),
        doc2path=lambda name: tmp_path / f"{name}.md",
    )
    sizes: list[int] = []

    def threads(size: int) -> ThreadPoolExecutor:
        sizes.append(size)
        return ThreadPoolExecutor(size)

    monkeypatch.setattr(execution, "pool", threads)
    monkeypatch.setattr(execution.os, "cpu_count", lambda: 2)
    for _ in range(2):
        execution.execute_ahead(None, env, [*PAGES, "words"])  # type: ignore[arg-type]
    assert sizes == [2], "the second time only the wrong page is left, which MyST-NB executes"
    records = get_cache(tmp_path / "cache").list_cache_records()
    assert {Path(record.uri).stem for record in records} == {"right", "other"}
    outputs = get_cache(tmp_path / "cache").get_cache_bundle(records[0].pk).nb.cells[0].outputs
    assert outputs[0].text in {"2\n", "3\n"}


def test_a_chapter_links_its_archive_where_the_book_puts_it(tmp_path: Path) -> None:
    (tmp_path / "source" / "book").mkdir(parents=True)
    (tmp_path / "source" / "book" / "page.md").write_text("# A page\n\n```{notebook} rnn\n```\n")
    (tmp_path / "source" / "exercises" / "rnn").mkdir(parents=True)
    (tmp_path / "source" / "exercises" / "rnn" / "rnn.ipynb").write_text("{}")
    with docutils_namespace():  # else the next book of the same process finds its words taken
        app = Sphinx(
            srcdir=str(tmp_path / "source"),
            confdir=None,
            outdir=str(tmp_path / "html"),
            doctreedir=str(tmp_path / "doctrees"),
            buildername="html",
            confoverrides={
                "extensions": ["myst_parser", "sphinx.ext.autodoc", "directives"],
                "root_doc": "book/page",
            },
            status=None,
            warning=None,
        )
        app.build()
    page = (tmp_path / "html" / "book" / "page.html").read_text()
    assert 'href="../_static/practise/rnn.zip"' in page
