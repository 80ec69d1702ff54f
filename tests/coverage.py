#!/usr/bin/env python3
"""Writes docs/spec/coverage.md: which requirements of docs/spec have a test that names them.

  tests/coverage.py           write the file
  tests/coverage.py --check   fail if a test names a requirement that does not exist

A requirement is any number with the prefix of its file there; a test names it in its tags, "[config][CFG-36]".
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = {"CFG": "config.md", "LIF": "lifecycle.md", "DEP": "dependency-graph.md", "API": "process-api.md",
         "ONB": "onboarding.md", "SYM": "symlinks.md", "SVC": "services.md", "UI": "realtime-and-ui.md"}


def order(number):
    """"98a" -> (98, "a")."""
    digits = number.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits), number[len(digits):]


def requirements():
    """Prefix -> sorted numbers."""
    found = {}
    for prefix, name in FILES.items():
        text = (ROOT / "docs/spec" / name).read_text(encoding="utf-8")
        found[prefix] = sorted(set(re.findall(rf"\b{prefix}-(\d+[a-z]?)\b", text)), key=order)
    return found


def tags():
    """(prefix, number) -> names of the test files that carry the tag."""
    found = collections.defaultdict(set)
    for kind in ("unit", "posix", "http", "fuzz", "benchmark"):
        folder = ROOT / "tests" / kind
        for path in sorted([*folder.glob("*.cpp"), *folder.glob("*.py")]):
            for prefix, number in re.findall(r"\[([A-Z]+)-(\d+[a-z]?)\]", path.read_text(encoding="utf-8")):
                if prefix in FILES:
                    found[prefix, number].add(f"{kind}/{path.stem}")
    return found


def ranges(numbers):
    """["1", "2", "3", "3a", "7"] -> "1-3, 3a, 7"."""
    parts = []
    for number in numbers:
        value, suffix = order(number)
        if parts and not suffix and parts[-1][2] == value - 1:
            parts[-1][1:] = [number, value]
        else:
            parts.append([number, number, None if suffix else value])
    return ", ".join(first if first == last else f"{first}-{last}" for first, last, _ in parts) or "none"


def report(required, tested):
    lines = ["# Requirements and their tests", "",
             "Made by `tests/coverage.py`; do not edit. A requirement counts as tested when a test carries its number as a"
             " tag; `benchmark` are programs run by hand, which fail when a bar is missed.", "", "| | Requirements | With a test | Without |", "|---|---|---|---|"]
    split = {}
    for prefix, numbers in required.items():
        done = [number for number in numbers if (prefix, number) in tested]
        left = [number for number in numbers if (prefix, number) not in tested]
        split[prefix] = (done, left)
        lines.append(f"| {prefix} ([{FILES[prefix]}]({FILES[prefix]})) | {len(numbers)} | {len(done)} | {len(left)} |")
    for prefix, (done, left) in split.items():
        lines += ["", f"## {prefix}", "", f"With a test: {ranges(done)}.", "", f"Without: {ranges(left)}."]
        if done:
            lines += ["", "| | Tests |", "|---|---|"]
            lines += [f"| {prefix}-{number} | {', '.join(sorted(tested[prefix, number]))} |" for number in done]
    return "\n".join(lines) + "\n"


def main():
    required, tested = requirements(), tags()
    unknown = sorted(f"{prefix}-{number} ({', '.join(sorted(files))})" for (prefix, number), files in tested.items()
                     if number not in required[prefix])
    if unknown:
        print("tests name requirements that do not exist: " + "; ".join(unknown), file=sys.stderr)
        return 1
    if sys.argv[1:] != ["--check"]:
        (ROOT / "docs/spec/coverage.md").write_text(report(required, tested), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
