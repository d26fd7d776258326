"""What must hold for the repository itself."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_the_lock_pins_every_package_with_a_hash_and_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()

    requirements = re.split(r"\n(?=\S)", lock)
    pinned = [entry for entry in requirements if not entry.startswith("#")]
    assert pinned
    for entry in pinned:
        assert re.match(r"[\w.\-\[\],]+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "://" not in lock


def test_no_dataset_and_no_path_of_one_machine_is_in_the_repository() -> None:
    home = re.compile(r"/(?:home|Users)/\w+/|/root/")
    offenders = [
        str(file.relative_to(ROOT))
        for file in tracked_files()
        if file.suffix in {".tgz", ".csv", ".parquet"}
        or home.search(file.read_text(encoding="utf-8", errors="ignore"))
    ]

    assert offenders == ["tests/test_repository.py"]


def test_the_map_in_the_readme_names_rooms_that_exist() -> None:
    room_map = (ROOT / "README.md").read_text().split("## The map")[1].split("Who may")[0]
    room_names = re.findall(r"`([\w/]+(?:\.py|/))`", room_map)

    for name in room_names:
        found = (ROOT / name).exists() or (ROOT / "housing_ml" / name).exists()
        assert found, f"the README's map names {name}, which is nowhere"


def test_every_room_is_on_the_map_and_says_its_purpose() -> None:
    room_map = (ROOT / "README.md").read_text().split("## The map")[1].split("Who may")[0]
    rooms = [file.parent for top in ("housing_ml", "serve") for file in ROOT.glob(f"{top}/*/*.py")]

    for room in {*rooms}:
        name = room.relative_to(ROOT)
        assert f"`{name}/`" in room_map, f"the README's map does not name {name}/"
        purpose = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
        assert purpose, f"{name} does not say what it is for"


def test_few_files_stand_outside_the_rooms() -> None:
    assert len(list((ROOT / "housing_ml").glob("*.py"))) <= 12
    assert len(list((ROOT / "serve").glob("*.py"))) <= 10


def modules_with_examples() -> list[str]:
    files = [
        file for top in ("housing_ml", "serve", "flows") for file in ROOT.glob(f"{top}/**/*.py")
    ]
    with_examples = (file.relative_to(ROOT) for file in files if ">>> " in file.read_text())
    return sorted(".".join(file.with_suffix("").parts) for file in with_examples)


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_print_what_they_say(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried
    assert not failed
