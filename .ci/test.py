#!/usr/bin/env python3
"""Runs every suite, whatever the one before it said, and ends with a line that sums them up.

A suite fails if its command fails, if one of its tests fails, or if it ran no test at all.
Only the builds come first: without the binary there is nothing to test.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV_PYTHON = ROOT / ".tools/venv/bin/python"

BUILDS = [
    ["cargo", "test", "--workspace", "--no-run"],
    ["cargo", "build", "--workspace", "--bins"],
]


def files(pattern):
    """The files that match, relative to the root; none is an error, for a runner given no file would look for its own."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)) or sys.exit(f"no test at {pattern}")


SUITES = {
    "rust": ["cargo", "test", "--workspace", "--no-fail-fast"],
    # Strangers' readers: the pass code by a COSE library, the lake by deltalake, DuckDB, Polars.
    "python": [str(VENV_PYTHON), "-m", "pytest", "-p", "no:cacheprovider"]
    + files("verifiers/python/test_*.py")
    + files("e2e/test_*.py"),
    "browser": ["node", "--test", *files("e2e/*.test.mjs")],
}

# How each runner closes: cargo once per test binary, pytest in one line, node in a line per figure.
CARGO = re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<skipped>\d+) ignored")
PYTEST = re.compile(r"^=+ .*\bin [\d.]+s\b.*=+$")
PYTEST_FIGURE = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
NODE = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled|skipped) (\d+)$")
PART_OF = {
    "pass": "passed", "passed": "passed",
    "fail": "failed", "failed": "failed", "cancelled": "failed", "error": "failed", "errors": "failed",
    "skipped": "skipped",
}


def count(line, sums):
    """Adds to `sums` what one line of a runner's output says was counted."""
    if cargo := CARGO.match(line):
        for part, figure in cargo.groupdict().items():
            sums[part] += int(figure)
    elif PYTEST.match(line):
        for figure, word in PYTEST_FIGURE.findall(line):
            sums[PART_OF[word]] += int(figure)
    elif node := NODE.match(line):
        sums[PART_OF[node[1]]] += int(node[2])


def run(command):
    """Runs a suite with its output passed through; returns its sums, with at least one failure if it did not succeed."""
    sums = {"passed": 0, "failed": 0, "skipped": 0}
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               text=True, encoding="utf-8", errors="replace")
    for line in process.stdout:
        print(line, end="", flush=True)
        count(line.rstrip("\n"), sums)
    exit_status = process.wait()
    if exit_status != 0 or sums["passed"] + sums["failed"] == 0:
        sums["failed"] = max(sums["failed"], 1)
    return sums


def sentence(sums):
    text = f"{sums['passed']} passed, {sums['failed']} failed"
    return text + (f", {sums['skipped']} skipped" if sums["skipped"] else "")


def main():
    for command in BUILDS:
        print("$", *command, flush=True)
        if (exit_status := subprocess.call(command, cwd=ROOT, stdin=subprocess.DEVNULL)) != 0:
            return exit_status
    results = {}
    for name, command in SUITES.items():
        print(f"\n── {name} ──", flush=True)
        results[name] = run(command)
    print()
    for name, sums in results.items():
        print(f"  {name:8} {sentence(sums)}")
    total = {part: sum(sums[part] for sums in results.values()) for part in ("passed", "failed", "skipped")}
    print(sentence(total), flush=True)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
