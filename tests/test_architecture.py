"""The import rules, which keep the parts apart and the import quick."""

from __future__ import annotations

import ast
import collections
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import thano_duckdb

PACKAGE = Path(thano_duckdb.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("masking", "startup", "version"),
    ("errors",),
    ("option", "caller", "model_name"),
    ("alphabet_options", "audio_options", "cache_options", "channel_options", "cluster_options", "language_options"),
    ("device_options", "level_options", "text_options"),
    ("decoding_options",),
    ("options",),
    ("settings",),
    ("audio", "monitoring", "dialect"),
    ("models",),
    ("language",),
    ("speech",),
    ("cluster", "training"),
    ("connection",),
    ("functions",),
    ("pages",),
    ("notebook",),
    ("thano_duckdb",),  # the package itself: connect, load, show, and what IPython looks for
    ("cli",),
    ("__main__",),
)
"""From the lowest to the highest: a part imports only from lower layers, never from its own or a higher one."""

ONLY_UNDER = {
    "torch": ("speech/", "training/", "cluster/"),
    "torchaudio": (),
    "transformers": ("speech/", "training/"),
    "ray": ("cluster/",),
    "IPython": ("notebook/",),
    "sql": ("notebook/",),
    "soundfile": ("audio/sndfile.py",),
}
STANDARD_LIBRARY_AND_DUCKDB_ALONE = (
    "dialect/",
    "option.py",
    "alphabet_options.py",
    "audio_options.py",
    "cache_options.py",
    "channel_options.py",
    "cluster_options.py",
    "decoding_options.py",
    "device_options.py",
    "language_options.py",
    "level_options.py",
    "text_options.py",
    "options.py",
    "settings.py",
    "errors.py",
    "masking.py",
    "model_name.py",
    "audio/formats.py",
)
USED_BY_THE_PARTS_BESIDE = ("thano_duckdb.audio.formats.AUDIO_SUFFIXES",)
"""COPY recognises audio files by their suffixes. The module imports nothing, so that the dialect stays pure."""


def imports(source: str, package: str) -> Iterator[str]:
    """Absolute names of the modules, or of what is in them, that the `source` of a module of `package` imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_of(file: Path) -> list[str]:
    return list(imports(file.read_text(encoding="utf-8"), ".".join(file.relative_to(PACKAGE.parent).parent.parts)))


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The folder or loose module of the package that a name belongs to."""
    parts = module.split(".")
    known = {name for layer in LAYERS for name in layer}
    return parts[1] if len(parts) > 1 and parts[1] in known else parts[0]


def upward(module: str, imported: Iterable[str]) -> list[str]:
    """What a module imports against the direction of `LAYERS`."""
    level = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    own = part_of(module)
    return [
        name
        for name in imported
        if name.split(".")[0] == "thano_duckdb"
        and name not in USED_BY_THE_PARTS_BESIDE
        and part_of(name) != own
        and level[part_of(name)] >= level[own]
    ]


@pytest.mark.parametrize("file", SOURCES, ids=module_name)
def test_no_import_goes_up(file: Path) -> None:
    assert upward(module_name(file), imports_of(file)) == []


def test_an_import_that_goes_up_would_be_found() -> None:
    source = "from .resolve import check\nfrom thano_duckdb.speech import engine\nfrom thano_duckdb import connect"
    assert upward("thano_duckdb.models.registry", imports(source, "thano_duckdb.models")) == [
        "thano_duckdb.speech.engine",
        "thano_duckdb.connect",
    ]
    beside = "from thano_duckdb.dialect.lexer import lex"
    assert upward("thano_duckdb.audio.source", imports(beside, "thano_duckdb.audio")) == [
        "thano_duckdb.dialect.lexer.lex"
    ]


def test_every_part_has_its_layer() -> None:
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert found - {"__init__"} <= {part for layer in LAYERS for part in layer}


def test_no_modules_import_each_other() -> None:
    modules = {module_name(file): file for file in SOURCES}
    graph = {
        name: {
            found
            for imported in imports_of(file)
            for found in (imported, imported.rpartition(".")[0])
            if found in modules and found != name and modules[found].name != "__init__.py"
        }
        for name, file in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_each_module_has_a_name_of_its_own() -> None:
    names = collections.Counter(file.stem for file in SOURCES if file.stem not in ("__init__", "__main__"))
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"connection"}  # its class is Connection
    assert [name for name, n in names.items() if n > 1 or name in folders] == []


@pytest.mark.parametrize("file", SOURCES, ids=module_name)
def test_libraries_are_imported_only_where_they_belong(file: Path) -> None:
    path = file.relative_to(PACKAGE).as_posix()
    for name in imports_of(file):
        allowed = ONLY_UNDER.get(name.split(".")[0])
        assert allowed is None or path.startswith(allowed), f"{path} imports {name}"


@pytest.mark.parametrize("file", SOURCES, ids=module_name)
def test_the_dialect_and_the_options_need_duckdb_alone(file: Path) -> None:
    if file.relative_to(PACKAGE).as_posix().startswith(STANDARD_LIBRARY_AND_DUCKDB_ALONE):
        tops = {name.split(".")[0] for name in imports_of(file)}
        assert tops - sys.stdlib_module_names <= {"duckdb", "thano_duckdb"}


def test_no_file_is_longer_than_one_sitting() -> None:
    long = {file.name: n for file in SOURCES if (n := len(file.read_text(encoding="utf-8").splitlines())) > 400}
    assert long == {}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, thano_duckdb; "
        "heavy = ('torch', 'transformers', 'IPython', 'pandas', 'sql', 'huggingface_hub'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_connection_without_audio_does_not_load_torch() -> None:
    code = (
        "import sys, thano_duckdb\n"
        "with thano_duckdb.connect() as con:\n"
        "    con.sql('SELECT thano_wer(\\'a\\', \\'b\\')').fetchall(); con.sql('LIST THANOSQL MODEL').fetchall()\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_folder_sql_is_no_package() -> None:
    assert not (PACKAGE.parent / "sql" / "__init__.py").exists()  # JupySQL's import package is called sql
