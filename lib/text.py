"""Text that Python itself ships: characters for language models, documents to tell apart."""

import codecs
import importlib.util
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lib import validate
from lib.data import UNK, Batch, Vocabulary, build_vocabulary


class Text(NamedTuple):
    """A text, where it comes from, and under which licence."""

    text: str
    """ASCII; one line a paragraph, an empty line between."""
    origin: str
    """Who wrote it, and where it is installed."""
    licence: str
    """Its licence."""


# Topics of the Python language reference, as pydoc names them: none contains another.
SUBJECTS = {
    "debugger": ("debugger",),
    "statements": ("compound",),
    "objects": ("attribute-access", "customization"),
    "names": ("import", "execmodel"),
    "strings": ("string-methods", "strings", "formatstrings"),
    "containers": ("typesmapping", "typesseq"),
}


def read(name: str = "python") -> Text:
    """Read a text that Python itself ships.

    ``"python"`` is prose of the Python language reference: about 86 000 characters, and
    a little different from one version of Python to the next. ``"zen"`` is The Zen of Python:
    about 850 characters, the same everywhere.

    Raises
    ------
    ValueError
        Where the name is unknown.
    ModuleNotFoundError
        Where this Python comes without the text, as some minimal ones do.
    """
    if validate.choice("name", name, ["python", "zen"]) == "zen":
        return Text(_zen(), "Tim Peters, The Zen of Python, PEP 20: module this", "public domain")
    return Text(
        "\n\n".join(paragraph for subject in SUBJECTS for paragraph in _prose(subject)),
        "The Python Language Reference: module pydoc_data.topics",
        "Python Software Foundation License Version 2",
    )


def _zen() -> str:
    # Importing ``this`` prints the text; its source holds it as a ROT13 string.
    spec = importlib.util.find_spec("this")
    source = getattr(spec and spec.loader, "get_source", lambda _: None)("this")
    if source is None:
        raise ModuleNotFoundError("this Python comes without the source of its module this")
    return codecs.decode(source.split('"""')[1], "rot13").strip()


def _prose(subject: str) -> list[str]:
    """Return the paragraphs of a subject that are sentences: no grammar, table or code."""
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ModuleNotFoundError(
            "this Python comes without its language reference (pydoc_data), which is the text: "
            "use another Python, or read('zen')"
        ) from error
    paragraphs = []
    for topic in SUBJECTS[subject]:
        for block in re.split(r"\n\s*\n", topics[topic].translate(_ASCII)):
            paragraph = re.sub(r"(\w)- (\w)", r"\1-\2", " ".join(block.split())).replace("*", "")
            letters = sum(character.isalpha() or character == " " for character in paragraph)
            if (
                _SENTENCE.match(paragraph)
                and not _HISTORY.match(paragraph)
                and letters > 0.9 * len(paragraph)
                and paragraph.isascii()
            ):
                paragraphs.append(paragraph)
    return paragraphs


_ASCII = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "—": "-", "–": "-", "…": "..."})
_SENTENCE = re.compile(r'[A-Z"].{58,}\.$')
_HISTORY = re.compile(r"(New|Added|Changed|Deprecated|Removed) (in|since) version")


def _long(name: str, ids: np.ndarray, least: int) -> np.ndarray:
    """Check a text of more than ``least`` symbols."""
    if np.ndim(ids) != 1 or len(ids) <= least:
        raise ValueError(f"{name}: expected shape (L,), L > {least}, got {np.shape(ids)}")
    return validate.integers(name, ids, ("L",), 0, np.iinfo(np.int64).max)


def windows(rng: np.random.Generator, ids: np.ndarray, examples: int, steps: int) -> Batch:
    """Cut random windows out of a text, for a language model: the target is the next symbol.

    Parameters
    ----------
    rng : np.random.Generator
    ids : integers (L,)
        A text as ``Vocabulary.encode`` numbers it, L > ``steps``.
    examples, steps : int
        N and T.

    Returns
    -------
    Batch
        xs integers (T, N). targets integers (T, N): ``xs`` one step later. mask (T, N): all 1.

    Raises
    ------
    ValueError
        Where the text is too short.
    """
    N, T = validate.positive("examples", examples), validate.positive("steps", steps)
    ids = _long("ids", ids, T)
    at = rng.integers(0, len(ids) - T, N) + np.arange(T)[:, None]
    return Batch(ids[at], ids[at + 1], mask=np.ones((T, N)))


def streams(ids: np.ndarray, examples: int, steps: int) -> list[Batch]:
    """Cut a text into N long streams and these into pieces, for a state that is carried over.

    Row n of a piece goes on where row n of the piece before ended. What does not fill
    a last piece is left out.

    Parameters
    ----------
    ids : integers (L,), L > N·T
    examples, steps : int
        N and T.

    Returns
    -------
    list of Batch
        Each as :func:`windows` makes it.

    Raises
    ------
    ValueError
        Where the text is too short for one piece.
    """
    N, T = validate.positive("examples", examples), validate.positive("steps", steps)
    ids = _long("ids", ids, N * T)
    per_row = (len(ids) - 1) // N // T * T
    at = np.arange(N) * per_row + np.arange(per_row)[:, None]
    return [Batch(ids[rows], ids[rows + 1], mask=np.ones((T, N))) for rows in at.reshape(-1, T, N)]


class Documents(NamedTuple):
    """Documents of sentences of words, and the subject of each.

    What is no sentence or word is padding: a padding sentence counts as one word, so
    that ``word_counts.reshape(-1)`` are lengths for ``words.reshape(W, -1)``.
    """

    words: np.ndarray
    """Numbers of the words (W, S, N): word, sentence, document."""
    word_counts: np.ndarray
    """Words in each sentence (S, N), at least 1."""
    lengths: np.ndarray
    """Sentences in each document (N,)."""
    targets: np.ndarray
    """Subject of each document: integers (N,)."""

    @property
    def size(self) -> int:
        """Number of documents N."""
        return len(self.targets)

    def take(self, rows: np.ndarray) -> "Documents":
        """Return the documents ``rows`` (M,), cut to the longest document and sentence."""
        lengths = self.lengths[rows]
        counts = self.word_counts[: lengths.max(), rows]
        return Documents(
            self.words[: counts.max(), : lengths.max(), rows], counts, lengths, self.targets[rows]
        )


class Corpus(NamedTuple):
    """Documents to learn from and to test on, and how their words are numbered."""

    train: Documents
    """The larger part."""
    test: Documents
    """The part held out."""
    vocabulary: Vocabulary
    """Words; ``<UNK>`` is 0."""
    subjects: tuple[str, ...]
    """What the targets mean."""


def documents(
    rng: np.random.Generator,
    sentences: tuple[int, int] = (2, 5),
    vocabulary_size: int = 1000,
    test: float = 0.25,
) -> Corpus:
    """Cut the Python language reference into short documents; tell their subjects apart.

    Documents are neighbouring sentences of one subject, in lower case and without
    punctuation; no sentence is in two documents. Names that give the subject away are not
    removed: finding them is the task. The vocabulary is that of the training part.

    Parameters
    ----------
    rng : np.random.Generator
        Draws where documents end, and the split.
    sentences : (int, int)
        Least and greatest number of sentences in a document.
    vocabulary_size : int
        Words kept, ``<UNK>`` included.
    test : float
        Share held out, above 0 and below 1.

    Returns
    -------
    Corpus

    Raises
    ------
    ValueError
        Where a setting does not fit.
    ModuleNotFoundError
        Where this Python comes without its reference.
    """
    low, high = validate.positive("sentences[0]", sentences[0]), sentences[1]
    if validate.positive("sentences[1]", high) < low:
        raise ValueError(f"sentences: expected (least, greatest), got {sentences!r}")
    validate.positive_number("test", validate.fraction("test", test))
    cut: list[list[list[str]]] = []
    targets = []
    for k, subject in enumerate(SUBJECTS):
        found = [s for paragraph in _prose(subject) for s in _sentences(paragraph)]
        at = 0
        while len(found) - at >= low:
            size = int(rng.integers(low, high + 1))
            cut.append(found[at : at + size])
            targets.append(k)
            at += size
    order = rng.permutation(len(cut))
    held_out = min(max(1, round(test * len(cut))), len(cut) - 1)
    train, tested = order[held_out:], order[:held_out]
    vocabulary = build_vocabulary(
        (word for n in train for sentence in cut[n] for word in sentence), vocabulary_size, [UNK]
    )

    def number(rows: np.ndarray) -> Documents:
        return _number([cut[n] for n in rows], np.array(targets)[rows], vocabulary)

    return Corpus(number(train), number(tested), vocabulary, tuple(SUBJECTS))


def _sentences(paragraph: str) -> list[list[str]]:
    """Split a paragraph into sentences of at least three words."""
    split = re.split(r"(?<=[.!?]) +(?=[A-Z\"])", paragraph)
    words = [re.findall(r"[a-z_]+(?:'[a-z]+)?", sentence.lower()) for sentence in split]
    return [sentence for sentence in words if len(sentence) >= 3]


def _number(
    found: Sequence[Sequence[Sequence[str]]], targets: np.ndarray, vocabulary: Vocabulary
) -> Documents:
    S, N = max(map(len, found)), len(found)
    W = max(len(sentence) for document in found for sentence in document)
    words = np.zeros((W, S, N), np.int64)
    counts = np.ones((S, N), np.int64)
    for n, document in enumerate(found):
        for s, sentence in enumerate(document):
            words[: len(sentence), s, n] = vocabulary.encode(sentence)
            counts[s, n] = len(sentence)
    return Documents(words, counts, np.array([len(document) for document in found]), targets)
