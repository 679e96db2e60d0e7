"""What other programs read of the book: cards, sitemap, the page for a wrong address."""

import functools
import http.server
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urljoin
from xml.etree import ElementTree

import printed
import pytest
import sharing
import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from playwright.sync_api import Browser

from tools import card, pdf

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
TOC = yaml.safe_load((card.ROOT / "_toc.yml").read_text())
LISTED = [name for _, names in pdf.parts(TOC) for name in names]


def metas(path: Path) -> dict[str, str]:
    """Return the named contents of a page's tags; a name twice is an error."""
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    found: dict[str, str] = {}
    for tag in soup.find_all("meta", content=True):
        name = str(tag.get("name") or tag.get("property"))
        assert name not in found or not name.startswith(("og:", "twitter:", "description")), name
        found[name] = str(tag["content"])
    return found


@pytest.mark.parametrize("name", LISTED)
def test_page_has_a_card(html: Path, name: str) -> None:
    found = metas(html / f"{name}.html")
    assert 40 <= len(found["description"]) <= 210
    assert "\\" not in found["description"], "no LaTeX"
    assert found["og:description"] == found["description"]
    assert len(found["og:title"]) >= 4
    assert "<" not in found["og:title"]
    assert found["og:site_name"] == "Recurrent Networks"
    assert found["twitter:card"] == "summary_large_image"
    assert "arrives" in found["og:image:alt"]
    assert ((html / name).parent / found["og:image"]).resolve() == html / "_static" / "card.png"


def test_chapters_are_told_apart(html: Path) -> None:
    chapters = [name for name in LISTED if (card.ROOT / "solutions" / Path(name).name).is_dir()]
    assert len(chapters) >= 7
    assert len({metas(html / f"{name}.html")["description"] for name in chapters}) == len(chapters)


def test_picture_is_drawn_from_what_is_there() -> None:
    png = card.CARD.read_bytes()
    assert struct.unpack(">II", png[16:24]) == card.SIZE == sharing.CARD_SIZE
    assert len(png) < 300_000
    assert card.label(png) == card.origin(), "old: run tools/card.py"


def test_github_pages_serves_folders_with_an_underscore(html: Path) -> None:
    assert (html / "_static").is_dir()
    assert (html / ".nojekyll").is_file()


def test_sitemap_lists_every_page_once(html: Path) -> None:
    root = ElementTree.parse(html / "sitemap.xml").getroot()
    found = [loc.text for loc in root.iter(f"{SITEMAP}loc")]
    assert sorted(found) == sorted(f"{name}.html" for name in LISTED)


def paragraph(*parts: nodes.Node) -> nodes.paragraph:
    return nodes.paragraph("", "", *parts)


def section(title: str, *children: nodes.Node) -> nodes.section:
    return nodes.section("", nodes.title("", title), *children)


GOALS = paragraph(nodes.Text("After this chapter you can do a great many useful things:"))
REASON = paragraph(nodes.Text("A state is a summary. It loses what came long before."))
FORMULA = paragraph(nodes.Text("Since the weights add up to one, namely "), nodes.math("", "a"))


def test_description_is_the_reason_without_formulas() -> None:
    document = nodes.document(None, None)
    document += section("Page", section("Goals", GOALS), section("Why", FORMULA, REASON))
    assert sharing.describe(document) == "A state is a summary. It loses what came long before."


def test_description_ends_with_a_sentence_or_a_word() -> None:
    sentence = "One sentence of some length stands here. "
    assert sharing.shorten(sentence * 9) == " ".join([sentence.strip()] * 4)
    assert sharing.shorten("word " * 90) == "word " * 40 + "…"


@pytest.fixture
def app(tmp_path: Path) -> SimpleNamespace:
    config = SimpleNamespace(
        html_baseurl="https://example.org/course", html_title="Networks", root_doc="book/intro"
    )
    return SimpleNamespace(
        config=config,
        outdir=tmp_path,
        env=SimpleNamespace(found_docs={"book/intro", "book/rnn"}),
        builder=SimpleNamespace(get_target_uri=lambda name: f"{name}.html"),
    )


def test_addresses_are_full_where_the_book_knows_its_own(app: SimpleNamespace) -> None:
    tags = sharing.tags(app, "book/rnn", 'A "title"', "Words", 1)
    assert 'property="og:url" content="https://example.org/course/book/rnn.html"' in tags
    assert 'property="og:image" content="https://example.org/course/_static/card.png"' in tags
    assert "A &quot;title&quot;" in tags
    sharing.write_sitemap(app)
    text = (app.outdir / "sitemap.xml").read_text()
    assert "<loc>https://example.org/course/book/intro.html</loc>" in text


class Missing(http.server.SimpleHTTPRequestHandler):
    """A server that shows 404.html for what is not there, as hosts of pages do."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        body = (Path(self.directory) / "course" / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    handler = functools.partial(Missing, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


PLACES = ["nothing.html", "book/nothing.html", "book/reference/deep/nothing.html"]


@pytest.mark.parametrize("place", PLACES)
def test_wrong_address_leads_back_from_any_depth(
    browser: Browser, html: Path, tmp_path: Path, site: str, place: str
) -> None:
    (tmp_path / "course").mkdir()
    for name in ("404.html", "search.html", "genindex.html", "book/intro.html"):
        (tmp_path / "course" / name).parent.mkdir(exist_ok=True)
        shutil.copy(html / name, tmp_path / "course" / name)
    with browser.new_context() as context:
        page = context.new_page()
        requests: list[str] = []
        page.on("request", lambda seen: requests.append(seen.url))
        page.goto(f"{site}/course/{place}")
        links = [str(href) for href in page.evaluate("() => [...document.links].map(a => a.href)")]
        assert [link for link in requests if not link.startswith("data:")] == [
            f"{site}/course/{place}"
        ]
        assert links[0] == urljoin(site, "/course/book/intro.html")
        assert len(links) == 3
        for link in links:
            assert context.request.get(link).ok, link


def test_wrong_address_takes_the_base_where_it_is_set(
    app: SimpleNamespace, browser: Browser, tmp_path: Path, site: str
) -> None:
    sharing.write_not_found(app)
    (tmp_path / "course").mkdir()
    shutil.move(tmp_path / "404.html", tmp_path / "course" / "404.html")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site}/course/no/such/folder/page.html")
        assert page.evaluate("() => document.links[0].href") == f"{site}/course/book/intro.html"


@pytest.fixture
def front(tmp_path: Path) -> Callable[[], str]:
    page = tmp_path / "html" / printed.PAGE
    page.parent.mkdir(parents=True)
    page.write_text(f"before {printed.START}{printed.END} after")
    return page.read_text


def test_front_page_links_the_pdf_if_there_is_one(front: Callable[[], str], tmp_path: Path) -> None:
    pdf = tmp_path / printed.PDF.name
    printed.link(tmp_path / "html", pdf)
    assert "href" not in front()
    pdf.write_bytes(b"%PDF" + b" " * 2_600_000)
    for _ in range(2):
        printed.link(tmp_path / "html", pdf)
        assert front().count("href=") == 1
        assert "3 MB" in front()
    assert (tmp_path / "html" / pdf.name).is_file()
    pdf.unlink()
    printed.link(tmp_path / "html", pdf)
    assert "href" not in front()
    assert not (tmp_path / "html" / pdf.name).exists()
    assert front().startswith("before ")
    assert front().endswith(" after")
