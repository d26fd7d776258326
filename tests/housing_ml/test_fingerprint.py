"""A fingerprint changes with the code that can be reached, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, reload
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from housing_ml.fingerprint import code_fingerprint

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {
    "__init__": """
        def __getattr__(name):
            if name != "SAID":
                raise AttributeError(name)
            from shop import gossip
            return gossip.SAID
    """,
    "prices": """
        from typing import TYPE_CHECKING
        from . import taxes
        if TYPE_CHECKING:
            from shop import hints

        def price(net):
            return net * taxes.rate()
    """,
    "taxes": """
        def rate():
            from shop.tables import RATES
            return RATES["normal"]
    """,
    "tables": "RATES = {'normal': 1.19}",
    "gossip": "SAID = 1",
    "hints": "Net = float",
    "stages": """
        from shop import gossip, prices
        import functools

        FACTOR = 2

        def _scaled(net):
            return net * FACTOR

        def sell(net):
            return prices.price(_scaled(net))

        def chat(words):
            return gossip.SAID + words
    """,
}


class Shop:
    """A small package that can be edited."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, source in SOURCES.items():
            self.write(name, dedent(source))

    def write(self, module: str, source: str) -> None:
        (self.root / f"{module}.py").write_text(source)

    def edit(self, module: str, old: str, new: str) -> None:
        source = (self.root / f"{module}.py").read_text()
        assert old in source
        self.write(module, source.replace(old, new))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    package = tmp_path / "shop"
    package.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Shop(package)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("prices", "net * taxes", "net + taxes"),
        ("taxes", 'RATES["normal"]', 'RATES["reduced"]'),
        ("tables", "1.19", "1.07"),
    ],
)
def test_an_edit_of_reachable_code_changes_it_and_the_way_back_restores_it(
    shop: Shop, module: str, old: str, new: str
) -> None:
    before = code_fingerprint("shop.prices")
    shop.edit(module, old, new)
    assert code_fingerprint("shop.prices") != before
    shop.edit(module, new, old)
    assert code_fingerprint("shop.prices") == before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("tables", "RATES", "# the rates of last year\n\nRATES"),
        ("tables", "{'normal': 1.19}", '{\n    "normal": 1.19,\n}'),
        ("tables", "1.19}", "1.19}\n'''In force since 2007.'''"),
        ("prices", "(net):", '(net):\n    """Price with taxes."""\n'),
        ("gossip", "1", "2"),
        ("hints", "float", "int"),
        ("__init__", "SAID", "TOLD"),
    ],
    ids=["comment", "layout", "attribute docstring", "docstring", "lazy", "type hints", "package"],
)
def test_other_edits_change_nothing(shop: Shop, module: str, old: str, new: str) -> None:
    before = code_fingerprint("shop.prices")
    shop.edit(module, old, new)
    assert code_fingerprint("shop.prices") == before


def test_a_package_counts_where_something_is_imported_from_it(shop: Shop) -> None:
    shop.write("tables", "from shop import VERSION\nRATES = {'normal': 1.19}")
    before = code_fingerprint("shop.prices")
    shop.edit("__init__", "def", "VERSION = 1\ndef")
    after = code_fingerprint("shop.prices")
    assert after != before
    shop.edit("gossip", "1", "2")
    assert code_fingerprint("shop.prices") == after


@pytest.mark.parametrize(
    ("module", "old", "new", "changed"),
    [
        ("stages", "FACTOR = 2", "FACTOR = 3", {"sell"}),
        ("stages", "net * FACTOR", "net + FACTOR", {"sell"}),
        ("tables", "1.19", "1.07", {"sell"}),
        ("gossip", "1", "2", {"chat"}),
        ("stages", "+ words", "- words", {"chat"}),
        ("stages", "(words)", "(words: str)", set()),
        ("stages", "def chat", "@functools.cache\ndef chat", set()),
    ],
)
def test_a_function_counts_with_what_it_uses_of_its_module(
    shop: Shop, module: str, old: str, new: str, changed: set[str]
) -> None:
    stages = import_module("shop.stages")
    before = {name: code_fingerprint(getattr(stages, name)) for name in ("sell", "chat")}
    shop.edit(module, old, new)
    stages = reload(stages)
    after = {name: code_fingerprint(getattr(stages, name)) for name in ("sell", "chat")}
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_module_that_does_not_exist_is_an_error(shop: Shop) -> None:
    assert shop.root.is_dir()
    with pytest.raises(ModuleNotFoundError, match=r"shop\.price:"):
        code_fingerprint("shop.price")


def test_every_version_of_python_agrees(shop: Shop) -> None:
    shop.write(
        "syntax",
        dedent("""
            from __future__ import annotations

            class Basket(dict[str, int], metaclass=type):
                size: int = 3

                @property
                def label(self) -> str:
                    width = 7
                    return f"{self.size!r:>7}{'a' 'b'} {width=}" + "x".join("y")

            async def walk(*steps, key=None, **rest):
                async with key as door:
                    yield [a async for a in door if (n := a) > -0.5j]
                match steps:
                    case [1, {"a": b, **c}, *_] | None: return
                    case _: global left
                try:
                    del rest[1:2, ...]
                except* ValueError as error:
                    raise error from None
                lambda a, /, b=1, *, c: {**rest, a: b}
        """),
    )
    assert code_fingerprint("shop.syntax")[:16] == "8eea03152e3038b3"


def test_finding_it_imports_nothing() -> None:
    code = dedent("""
        import sys
        from housing_ml.fingerprint import code_fingerprint
        code_fingerprint("flows.tasks")
        print({"prefect", "pandas", "numpy", "flows.tasks"} & set(sys.modules))
    """)
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"
