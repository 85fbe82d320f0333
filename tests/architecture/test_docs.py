"""The documentation is run, not believed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from kelly.cli.app import EXIT_CODES, cli
from kelly.config import load_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(language: str) -> list[tuple[Path, int, str]]:
    """(page, line, text) of every fenced block in a language."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        matches = re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
        found += [(page, text[: match.start()].count("\n") + 1, match[1]) for match in matches]
    return found


def place(block) -> str:
    return f"{block[0].relative_to(ROOT)}:{block[1]}"


@pytest.mark.parametrize("block", blocks("python"), ids=place)
def test_python_snippets_run(block, tmp_path):
    """Each block runs by itself, in a folder that holds only the models."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    (tmp_path / "take.wav").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{block[2]}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def command_lines() -> list[tuple[Path, int, str]]:
    lines = []
    for page, start, text in blocks("console"):
        for number, line in enumerate(text.splitlines(), start + 1):
            line = line.removeprefix("$ ")
            if line.startswith("kelly "):
                lines.append((page, number, line))
    return lines


@pytest.mark.parametrize("line", command_lines(), ids=place)
def test_command_lines_exist(line):
    """Every kelly command in the documentation parses with the flags of today."""
    words = shlex.split(line[2], comments=True)[1:]
    name, rest = words[0], words[1:]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, line[2]
    command.make_context(name, rest)


@pytest.mark.parametrize("block", blocks("toml"), ids=place)
def test_settings_files_are_accepted(block, tmp_path):
    """Every kelly.toml that is shown can be used."""
    path = tmp_path / "kelly.toml"
    path.write_text(block[2], encoding="utf-8")
    load_config(path, env={"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path)})


def test_contract_page_is_fresh():
    """docs/contract.md says what kelly/_rt/contract.py says."""
    done = subprocess.run([sys.executable, "docs/contract_table.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_links_lead_somewhere():
    """A relative link names a file that exists."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_pages_hold_no_machine_and_no_emoji():
    """No home or workspace paths, no pictograms."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(/home/\w+|/root|/work|/Users/\w+)\b", text), page
        assert not re.search("[\U0001f300-\U0001faff\u2600-\u27bf]", text), page


def test_readme_lists_the_exit_codes():
    """The table of the README is the table of the program."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for code, meaning in EXIT_CODES:
        assert re.search(rf"\| {code} \| {re.escape(meaning)}", text), (code, meaning)


def test_the_table_of_speeds_is_what_its_command_wrote():
    """Rows, headings, machine, commit and every figure stand so in the benchmarks' history."""
    from benchmarks import table

    page = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = page[page.index(table.BEGIN) : page.index(table.END) + len(table.END)]
    assert shown in [table.table(row) for row in table.recorded()]
    assert all(set(row["p50"]) == {*table.KELLY, *table.PEERS, "floor"} for row in table.recorded()[-1:])
    assert table.COMMAND in shown
