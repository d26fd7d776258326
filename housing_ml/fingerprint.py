"""A digest of the code that something can reach, so that a cache or a bundle notices an edit.

Counted is the parsed source: of the named modules or functions, and of every module of their own
packages that they import, directly or through others, also where the import stands inside a
function. Comments, docstrings and layout do not count, nor do the messages of errors that are
raised, or imports for type checkers only. The digest is the same on every version of Python that
parses the source alike, and with the package installed or not. Nothing is imported to find it.

Not seen: modules that are imported by a computed name; a package's `__init__` when only its
submodules are imported; and what a package's lazy `__getattr__` would import.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec, resolve_name
from os.path import isfile
from pathlib import Path
from symtable import symtable
from typing import Any, NamedTuple, TypeAlias

Function: TypeAlias = Callable[..., Any]

WORDING = "housing_ml.data.wording"
"""How a broken rule is put in words: no price depends on it."""

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORT = (ast.Import, ast.ImportFrom)
_BLOCK = (ast.stmt, ast.ExceptHandler, ast.match_case)


class _Code(NamedTuple):
    """The SHA-256 of source without what does not run, and the names of what it may import."""

    digest: str
    imports: tuple[str, ...]


def code_fingerprint(*code: str | Function, without: Sequence[str] = ()) -> str:
    """Return the SHA-256, in hexadecimal, of what the named modules and functions can reach.

    Modules of the packages in `without` do not count, unless they are named themselves.

        >>> code_fingerprint("housing_ml.data.contract") == code_fingerprint("housing_ml.features")
        False

    Raises:
        ModuleNotFoundError: when a named module does not exist.
    """
    reached = reached_code(*code, without=without)
    lines = sorted(f"{name} {digest}\n" for name, digest in reached.items())
    return sha256("".join(lines).encode()).hexdigest()


def feature_fingerprint() -> str:
    """Return the digest of the feature code, which a bundle tells of itself."""
    return code_fingerprint("housing_ml.features", without=(WORDING,))


def reached_code(*code: str | Function, without: Sequence[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of each module that can be reached, by name; a reason for a fingerprint.

    A function counts with what it uses of its module, and no more; its decorators do not count.

        >>> sorted(reached_code("housing_ml.formats"))
        ['housing_ml.formats']
    """
    reached: dict[str, _Code] = {}
    waiting: list[str] = []
    packages = {__name__.partition(".")[0]}
    for item in code:
        name = item if isinstance(item, str) else f"{item.__module__}:{item.__qualname__}"
        packages.add(name.partition(".")[0])
        if not isinstance(item, str):
            reached[name] = _read_function(inspect.unwrap(item))
            waiting.extend(reached[name].imports)
        elif _locate(item) is None:
            raise ModuleNotFoundError(f"{item}: there is no such module to fingerprint")
        else:
            waiting.append(item)
    named = {item for item in code if isinstance(item, str)}
    _follow(waiting, packages, reached, lambda name: name not in named and _is_in(name, without))
    return {name: found.digest for name, found in reached.items()}


def _is_in(module: str, packages: Sequence[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def _follow(
    waiting: list[str],
    packages: set[str],
    reached: dict[str, _Code],
    left_out: Callable[[str], bool],
) -> None:
    """Add to `reached` the modules of `packages` that are waiting, and all that these import."""
    looked_at: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in looked_at or name.partition(".")[0] not in packages:
            continue
        looked_at.add(name)
        path = _locate(name)
        if path is None:  # an object of a module, not a module
            name = name.rpartition(".")[0]
            path = _locate(name)
        if path is None or name in reached or left_out(name):
            continue
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        reached[name] = _read_module(path.read_bytes(), package)
        waiting.extend(reached[name].imports)


def _locate(module: str) -> Path | None:
    """Return the file of a module, found without importing the packages that it is in."""
    top, *rest = module.split(".")
    spec = find_spec(top) if top else None
    if spec is None:
        return None
    folders = spec.submodule_search_locations
    if folders is None:
        return Path(spec.origin) if spec.origin and not rest else None
    for folder in folders:
        path = "/".join((folder, *rest))
        for candidate in (f"{path}/__init__.py", f"{path}.py"):
            if isfile(candidate):  # noqa: PTH113 - thousands: a Path of each would take a second
                return Path(candidate)
    return None


@cache
def _read_module(source: bytes, package: str) -> _Code:
    tree = ast.parse(source)
    lazy = [node for node in tree.body if getattr(node, "name", None) == "__getattr__"]
    running = [node for node in tree.body if node not in lazy]
    return _Code(_digest([tree]), tuple(_imports(running, package)))


def _read_function(function: Function) -> _Code:
    tree = _without_annotations(Path(function.__code__.co_filename).read_bytes())
    definition = _definition(function, tree)
    decorators, definition.decorator_list = definition.decorator_list, []
    try:
        used = _uses(definition, _bindings(tree))
        digest = _digest(node for node in used if not isinstance(node, _IMPORT))
        return _Code(digest, tuple(_imports(used, function.__globals__["__package__"] or "")))
    finally:
        definition.decorator_list = decorators


@cache
def _without_annotations(source: bytes) -> ast.Module:
    """Return a module's tree; annotations say nothing of what a function computes."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


def _definition(function: Function, tree: ast.Module) -> ast.FunctionDef | ast.AsyncFunctionDef:
    code = function.__code__
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min(item.lineno for item in (node, *node.decorator_list))
            if first == code.co_firstlineno:
                return node
    raise ValueError(f"{function.__qualname__} has no definition by `def` in {code.co_filename}")


def _bindings(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """Return the statements at the top of a module by each name that they bind."""
    bindings: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for part in _one_by_one(statement):
            for name in _bound(part):
                bindings.setdefault(name, []).append(part)
    return bindings


def _one_by_one(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield an import of several names as one import each."""
    match statement:
        case ast.Import(names=names):
            yield from (ast.Import([alias]) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            yield from (ast.ImportFrom(module, [alias], level) for alias in names)
        case _:
            yield statement


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _DEFINITION):
        yield statement.name
        return
    for node in ast.walk(statement):
        match node:
            case ast.alias():
                yield node.asname or node.name.partition(".")[0]
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name


def _uses(definition: ast.stmt, bindings: dict[str, list[ast.stmt]]) -> list[ast.stmt]:
    """Return a definition and the statements of its module that it needs."""
    needed = {definition: None}
    waiting = [definition]
    while waiting:
        for name in sorted(_global_names(waiting.pop())):
            for statement in bindings.get(name, ()):
                if statement not in needed:
                    needed[statement] = None
                    waiting.append(statement)
    return list(needed)


def _global_names(statement: ast.stmt) -> set[str]:
    """Return the names of its module that a statement uses, not those of its own scopes."""
    names: set[str] = set()
    tables = [symtable(ast.unparse(statement), "<statement>", "exec")]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        names |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_global() and symbol.is_referenced()
        }
    return names


def _imports(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    """Yield the absolute name of everything that the nodes import when they run."""
    waiting = list(nodes)
    while waiting:
        match waiting.pop():
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                origin = resolve_name("." * level + (module or ""), package)
                yield from (f"{origin}.{alias.name}" for alias in names)
            case ast.If(test=test, orelse=otherwise) if _is_type_checking(test):
                waiting.extend(otherwise)
            case node:
                waiting.extend(
                    child for child in ast.iter_child_nodes(node) if isinstance(child, _BLOCK)
                )


def _digest(nodes: Iterable[ast.AST]) -> str:
    """Digest trees without places, layout, empty fields and statements that do nothing."""
    parts: list[str] = []
    for node in nodes:
        _write(node, parts)
    return sha256("".join(parts).encode()).hexdigest()


def _write(node: object, parts: list[str]) -> None:
    if not isinstance(node, ast.AST):
        parts.append(repr(node))
        return
    if isinstance(node, ast.stmt):
        if _does_nothing(node):
            return
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node = ast.Raise(exc=node.exc.func)  # the error counts, and its message does not
    parts.append(f"{type(node).__name__}(")
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            if value:
                parts.append(f"{name}:")
            for item in value:
                _write(item, parts)
        elif value is not None:
            parts.append(f"{name}=")
            _write(value, parts)
    parts.append(")")


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.If(test=test, orelse=[]):
            return _is_type_checking(test)
        case _:
            return False


def _is_type_checking(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING"):
            return True
        case ast.Attribute(value=ast.Name(id="typing"), attr="TYPE_CHECKING"):
            return True
        case _:
            return False
