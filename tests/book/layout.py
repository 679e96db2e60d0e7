"""What is asked of a page's layout in every browser, and of which pages."""

from pathlib import Path

import yaml

from tools import pdf

ROOT = Path(__file__).resolve().parent.parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [*(name for _, names in pdf.parts(TOC) for name in names), "genindex", "search"]

WIDTHS = (390, 768, 1400)
PAPER = 718  # A4 between Chromium's own margins, in CSS pixels
# What is wider than its box and gives no sign of it. An editor's lines follow the caret; a
# symbol that MathJax stretches is cut out of pieces that are longer.
SILENT = """() => [...document.querySelectorAll('.bd-article *')].filter(e => {
  if (e.scrollWidth <= e.clientWidth + 1 || !e.clientWidth || !e.checkVisibility()) return false;
  const style = getComputedStyle(e);
  if (style.overflowX === 'visible' || e.closest('.cm-editor, mjx-assistive-mml, mjx-ext'))
    return false;
  const right = e.scrollLeft + e.clientWidth < e.scrollWidth - 1;
  return right && !(e.dataset.more?.includes('right') && style.maskImage !== 'none');
}).map(e => e.outerHTML.slice(0, 120))"""
BEYOND = """width => [...document.querySelectorAll('.bd-article *')].filter(e => {
  if (!e.checkVisibility() || e.closest('.cm-editor, mjx-assistive-mml, mjx-ext')) return false;
  const box = e.getBoundingClientRect();
  return box.width > 1 && (box.right > width + 1 ||
    (getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1));
}).map(e => e.outerHTML.slice(0, 120))"""
