"""What a page loads: the one style sheet, what it keeps and what it leaves out; scripts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import loading
import pytest

PAGE = """<html><head>
<link rel="stylesheet" type="text/css" href="../_static/styles/theme.css?digest=1" />
<link href="../_static/book.css?v=2" rel="stylesheet" />
<link rel="preload" as="script" href="../_static/a.js?digest=1" />
<link rel="stylesheet" href="../_static/styles/course.css" />
</head><body id="top" class="used also-used w-1/2"></body></html>"""
RULES = {
    ".used{color: red}": True,
    ".used .unused{color: red}": False,
    ".unused,.used{color: red}": ".used{color: red}",
    "a:not(.unused){color: red}": True,
    ".used:is(.unused,a){color: red}": True,
    "#top{color: red}": True,
    "#bottom{color: red}": False,
    r".w-1\/2{color: red}": True,
    ".bs-tooltip-auto{color: red}": True,
    ".from-script{color: red}": True,
    "[class~=unused]{color: red}": True,
    "a{color: #bad}": True,
    "@media print{.unused{color: red}}": False,
    "@media print{.used{color: red}}": "@media print{.used{color: red}}",
    "@supports (gap: 1px){@media print{.used{top: 0}}}": True,
    '@font-face{font-family: "A"; src: url(b.woff)}': 'src: url("../b.woff")',
    ".used{background: url(data:image/png;base64,AA)}": True,
    "@keyframes unused{from{top: 0}}": True,
}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "_static" / "styles").mkdir(parents=True)
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "_static" / "a.js").write_text('e.add(`bs-${name}-auto`, "from-script")')
    return tmp_path


def one(book: Path, *named: str) -> str:
    loading.write(book, list(named))
    return (book / "_static" / loading.SHEET).read_text()


@pytest.mark.parametrize(("rule", "kept"), RULES.items())
def test_rules_that_can_apply_are_kept(book: Path, rule: str, kept: bool | str) -> None:
    (book / "_static" / "book.css").write_text(f"/* Words */\n{rule}\n")
    written = one(book, "book.css").split("*/", 1)[1]
    if kept is False:
        assert written.strip() == ""
    else:
        assert (rule if kept is True else kept) in written


def test_imports_are_taken_in_and_order_is_kept(book: Path) -> None:
    (book / "_static" / "basic.css").write_text("a{top: 1px}")
    (book / "_static" / "styles" / "theme.css").write_text('@import "../basic.css";b{top: 2px}')
    (book / "_static" / "book.css").write_text("c{top: 3px}")
    written = one(book, "styles/theme.css", "book.css")
    assert "@import" not in written
    assert written.index("a{") < written.index("b{") < written.index("c{")


def test_address_still_leads_to_its_file(book: Path) -> None:
    for sheet in ("styles/theme.css", "book.css", "vendor/a/b.css"):
        path = book / "_static" / sheet
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(".used{background: url(icon.png)}")
    written = one(book, "styles/theme.css", "book.css", "vendor/a/b.css")
    found = [part.split('"')[1] for part in written.split("url(")[1:]]
    assert found == ["icon.png", "../icon.png", "../vendor/a/icon.png"]


def test_page_names_the_one_sheet_and_its_digest(book: Path) -> None:
    (book / "_static" / "book.css").write_text(".used{top: 0}")
    one(book, "book.css")
    first = (book / "page.html").read_text()
    assert loading.re.search(r'_static/styles/course\.css\?v=[0-9a-f]{8}"', first)
    (book / "_static" / "book.css").write_text(".used{top: 1px}")
    one(book, "book.css")
    assert (book / "page.html").read_text() != first


def test_build_of_one_page_keeps_the_sheets_of_the_others(book: Path) -> None:
    for name in ("book", "other"):
        (book / "_static" / f"{name}.css").write_text(f".used{{content: '{name}'}}")
    one(book, "other.css", "book.css")
    assert one(book, "book.css").count("content") == 2
    (book / "_static" / "other.css").unlink()
    assert one(book, "book.css").count("content") == 1, "an extension that is gone"


def test_broken_sheet_is_named(book: Path) -> None:
    (book / "_static" / "book.css").write_text("a{top: 0}\n} b")
    with pytest.raises(ValueError, match=r"book\.css: line 2"):
        one(book, "book.css")


def test_head_has_one_sheet_and_no_script_that_blocks() -> None:
    sheet = loading.OneSheet()
    head = PAGE + '<script src="../_static/doctools.js?v=1"></script><script>let a</script>'
    head += '<script src="../_static/documentation_options.js?v=1"></script>'
    new = sheet.lighten(head, "book/rnn")
    assert new.count('rel="stylesheet"') == 1
    assert 'href="../_static/styles/course.css"' in new
    assert '<link rel="preload" as="script"' not in new
    assert '<script defer src="../_static/doctools.js?v=1">' in new
    assert "<script>let a" in new
    assert '<script src="../_static/documentation_options.js' in new
    assert "defer" not in sheet.lighten(head, "search")
    assert list(sheet.named)[:2] == ["styles/theme.css", "book.css"]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("<p>Words</p>", ["doctools.js", None]),
        ('<div class="highlight">', ["doctools.js", "copybutton.js", None]),
        ('<div class="sd-tab-set">', ["doctools.js", "design-tabs.js", None]),
    ],
)
def test_page_has_the_scripts_that_have_something_to_do(body: str, left: list[str | None]) -> None:
    names = ["_static/doctools.js?v=1", "_static/copybutton.js", "_static/design-tabs.js", None]
    scripts = [SimpleNamespace(filename=name) for name in names]
    context: dict[str, Any] = {"body": body, "script_files": scripts}
    loading.OneSheet().offer(None, "a", "", context, None)  # type: ignore[arg-type]
    found = [
        s.filename and s.filename.split("/")[-1].split("?")[0] for s in context["script_files"]
    ]
    assert found == left
