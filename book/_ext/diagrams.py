"""The ``diagram`` directive: a drawing of ``book/figures`` as a numbered figure.

In HTML the SVG stands in the page itself, so that it follows the light switch and its
text can be selected and searched; elsewhere it is an image.
"""

import re
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

FIGURES = Path(__file__).resolve().parent.parent / "figures"
SVG = "{http://www.w3.org/2000/svg}"


class Diagram(SphinxDirective):
    """Show ``book/figures/<name>.svg``; the content is the caption.

    ``:alt:`` replaces the description that the drawing carries, ``:name:`` makes the figure
    a target of ``{numref}``; without it the drawing's own name does.
    """

    required_arguments = 1
    has_content = True
    option_spec = {"alt": directives.unchanged, "name": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        path = FIGURES / f"{name}.svg"
        if not path.is_file():
            raise self.error(
                f"diagram: expected one of {sorted(p.stem for p in FIGURES.glob('*.svg'))}, "
                f"got {name!r}"
            )
        root = ElementTree.parse(path).getroot()
        alt = self.options.get("alt") or root.findtext(f"{SVG}desc")
        uri = f"/{path.relative_to(self.env.srcdir).as_posix()}"
        relative, _ = self.env.relfn2path(uri)
        self.env.note_dependency(relative)
        image = nodes.image(uri=uri, alt=alt, classes=["diagram"], drawing=name)
        figure = nodes.figure("", image, classes=["diagram-figure"])
        self.set_source_info(figure)
        if self.content:
            caption = nodes.caption()
            caption += self.parse_caption()
            figure += caption
        self.options.setdefault("name", name)
        self.add_name(figure)
        return [figure]

    def parse_caption(self) -> list[nodes.Node]:
        """Parse the caption: the inline content of one paragraph."""
        holder = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, holder)
        if len(holder) != 1 or not isinstance(holder[0], nodes.paragraph):
            raise self.error("diagram: expected a caption of one paragraph")
        return list(holder[0].children)


class InlineDiagrams(SphinxPostTransform):
    """Put drawings into the page itself where the output is HTML."""

    default_priority = 5
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        for image in list(self.document.findall(nodes.image)):
            if "drawing" in image:
                svg = (FIGURES / f"{image['drawing']}.svg").read_text(encoding="utf-8")
                image.replace_self(nodes.raw("", inline(svg, image["alt"]), format="html"))


def inline(svg: str, alt: str) -> str:
    """Return the SVG for use inside a page: no style of its own, ``alt`` as its name."""
    svg = re.sub(r"<style>.*?</style>\n", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<title>.*?</title>\n<desc>.*?</desc>\n", "", svg, flags=re.DOTALL)
    size = re.search(r' width="([\d.]+)" height="([\d.]+)"', svg)
    if not size:
        raise ValueError("svg: expected a width and a height")
    style = f"--natural: {size[1]}px; --shape: {size[1]} / {size[2]}"
    # The description is outside of what a browser need not lay out, and so is always there.
    drawing = f'<div class="drawing" role="img" aria-label="{escape(alt)}" style="{style}">'
    hidden = svg.replace(' role="img"', ' aria-hidden="true"', 1).strip()
    return f'<div class="scroll diagram">{drawing}{hidden}</div></div>'


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("diagram", Diagram)
    app.add_post_transform(InlineDiagrams)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
