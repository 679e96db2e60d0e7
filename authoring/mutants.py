"""Measure the hidden tests against wrong answers: ``make mutants``.

Prints killed/total for each graded function, writes the chapters' rows of
``book/strength.json`` for the book, and fails where a mutant that is not listed as
equivalent keeps full marks, where fewer than 15 were made for a function, or where a
listed equivalent no longer exists.
"""

import argparse
import json
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from authoring import mutation, sources

FEWEST = 15
RESULT = Path(__file__).resolve().parent.parent / "book" / "strength.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", help="slugs; all chapters if none")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    chapters = arguments.chapters or sources.available()
    mutants = [m for slug in chapters for m in mutation.mutants(slug)]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        results = pool.map(mutation.killed, mutants, chunksize=8)
        dead = list(tqdm(results, total=len(mutants), unit="mutant", file=sys.stderr))

    problems = []
    table: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    listed = {slug: mutation.equivalents(slug) for slug in chapters}
    for slug in chapters:
        for exercise in sources.exercises(slug):
            table[slug][exercise.name] = {"mutants": 0, "killed": 0, "equivalent": 0}
    seen: set[tuple[str, str, str]] = set()
    for mutant, is_dead in zip(mutants, dead, strict=True):
        row = table[mutant.slug][mutant.name]
        key = (mutant.name, mutant.change)
        row["mutants"] += 1
        row["killed"] += is_dead
        if key in listed[mutant.slug]:
            seen.add((mutant.slug, *key))
            row["equivalent"] += not is_dead
            if is_dead:
                problems.append(f"{mutant.slug}: listed as equivalent, but killed: {key}")
        elif not is_dead:
            problems.append(
                f"{mutant.slug}.{mutant.name} survives: {mutant.operator}: {mutant.change}"
            )
    for slug in chapters:
        for name, change in listed[slug]:
            if (slug, name, change) not in seen:
                problems.append(
                    f"{slug}: listed as equivalent, but no such mutant: {name}: {change}"
                )
        print(f"{slug}")
        for name, row in table[slug].items():
            made = row["mutants"] - row["equivalent"]
            print(f"  {name:40} {row['killed']:4} of {made:4}  ({row['equivalent']} equivalent)")
            if made < FEWEST:
                problems.append(f"{slug}.{name}: expected at least {FEWEST} mutants, got {made}")
    rows = [row for chapter in table.values() for row in chapter.values()]
    made = sum(row["mutants"] - row["equivalent"] for row in rows)
    print(f"all: {sum(row['killed'] for row in rows)} of {made} mutants killed")
    if not problems:
        stored = json.loads(RESULT.read_text(encoding="utf-8")) | table
        ordered = {slug: stored[slug] for slug in sources.available()}
        RESULT.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
