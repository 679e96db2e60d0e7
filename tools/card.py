"""Draw ``book/_static/card.png``, the picture that a link to the book is shown with.

It is the front page's figure under the book's name, rendered by headless Chromium. The
picture carries a hash of what it was drawn from, so that a test can tell when it is old.
"""

import hashlib
import re
import struct
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "book" / "figures")]

import letters  # noqa: E402

from tools import chromium  # noqa: E402

CARD = ROOT / "book" / "_static" / "card.png"
SIZE = (1200, 630)
TITLE = "Recurrent Networks"
SUBTITLE = "From the Elman cell to attention. The exercises grade themselves."
KEY = b"Source"
PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<style>
body {{ margin: 0; width: 1200px; height: 630px; background: #ffffff; color: #1c2430;
  font-family: "Drawing Sans"; overflow: hidden; }}
header {{ display: flex; align-items: center; gap: 28px; padding: 36px 60px 0; }}
header svg {{ width: 104px; height: 104px; }}
h1 {{ margin: 0; font-size: 68px; font-weight: 400; letter-spacing: -1px; }}
p {{ margin: 4px 0 0; font-size: 30px; color: #4a5568; }}
.figure svg {{ display: block; margin: 18px auto 0; width: 1110px; height: 420px; }}
{font}
</style>
<header>{logo}<div><h1>{title}</h1>
<p>{subtitle}</p></div></header>
<div class="figure">{figure}</div>
"""


def drawing() -> str:
    """Return the front page's figure."""
    return (ROOT / "book" / "figures" / "intro-memory.svg").read_text(encoding="utf-8")


def figure() -> str:
    """Return it for a page that has the drawings' style sheet."""
    return re.sub(r"<style>.*?</style>\n", "", drawing(), flags=re.DOTALL)


def page() -> str:
    """Return the page that is drawn."""
    return PAGE.format(
        font=letters.carry([("sans", TITLE + SUBTITLE)]),
        logo=(ROOT / "book" / "_static" / "logo.svg").read_text(encoding="utf-8"),
        title=TITLE,
        subtitle=SUBTITLE,
        figure=drawing(),
    )


def origin() -> str:
    """Hash what the card is drawn from."""
    return hashlib.sha256(page().encode()).hexdigest()


def labelled(png: bytes, text: str) -> bytes:
    """Return a PNG with a text chunk after its header."""
    body = b"tEXt" + KEY + b"\0" + text.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


def label(png: bytes) -> str:
    """Return the text that ``labelled`` put in; empty where there is none."""
    match = re.search(rb"tEXt" + KEY + rb"\0([0-9a-f]{64})", png)
    return match[1].decode() if match else ""


def main() -> int:
    """Draw; return the exit status."""
    with chromium.launched() as browser:
        sheet = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        sheet.set_content(page())
        sheet.evaluate("Promise.all([...document.fonts].map(font => font.load()))")
        CARD.write_bytes(labelled(sheet.screenshot(), origin()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
