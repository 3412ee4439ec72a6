"""The models on disk: names, versions, lineage, and publishing that is all or nothing.

    home/my_model/1/      a folder in plain Hugging Face format, and `thano.json`: what it is and where it comes from
    home/my_model/2/
    home/.staging/        models that are being made

A version appears by one rename of a folder that is complete and synced to disk: it exists as a whole or not at all,
whenever the process is killed. Readers need no lock and no write permission.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import platformdirs

from thano_duckdb.errors import ModelError, RegistryError, did_you_mean
from thano_duckdb.masking import masked
from thano_duckdb.model_name import NAME_RULE, is_name, normal_form, same_name, split_version

from .built_in_models import LANGUAGE_MODEL, LANGUAGE_MODEL_OF_A_MODEL, find_built_in
from .checkpoint import check_base, copy_language_model, needed_files
from .lineage import LINEAGE_FILE, ModelKind, read_about
from .processor_files import name_processor
from .staging import Staging, sync, sync_tree

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_VERSION = re.compile(r"[1-9][0-9]*")


def model_home(explicit: Path | None, database: str) -> Path:
    """The folder of the registry: `explicit`, else THANO_HOME, else next to the database file, else the user's own.

    Args:
        explicit: what the user asked for.
        database: path of the database file; '' or ':memory:...' for none. A URL (`s3://..`, `md:..`) is not a file.
    """
    if explicit is not None:
        return explicit.expanduser().absolute()
    if from_environment := os.environ.get("THANO_HOME"):
        return Path(from_environment).expanduser().absolute()
    if database and not database.startswith(":memory:") and not _URL.match(database):
        path = Path(database).expanduser().absolute()
        return path.with_name(f"{path.name}.models")
    return platformdirs.user_data_path("thano_duckdb", appauthor=False) / "models"


@dataclass(frozen=True)
class ModelEntry:
    """One version of a model in the registry.

    Attributes:
        name: as it was first published.
        version: from 1.
        kind: how it came into the registry, or that it is a language model.
        base: the model it was made from, where that is known.
        created: when it was published, in UTC.
        path: its folder.
        description: one line.
        lineage: how it was made: SQL without its secrets, options, metrics, versions of the libraries.
    """

    name: str
    version: int
    kind: ModelKind
    base: str | None
    created: datetime.datetime
    path: Path
    description: str = ""
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_language_model(self) -> bool:
        """Whether it is a language model, not an acoustic one."""
        return self.kind == "language model"


class Registry:
    """The models under one home. Until a model is staged nothing is written; not even the home is created."""

    def __init__(self, home: Path) -> None:
        """The registry in the folder `home`, which need not exist."""
        self.home = home
        self._staging = Staging(home)

    # Reading

    def entries(self, *, report_damaged: Callable[[str], None]) -> list[ModelEntry]:
        """Every version of every model, by name and version.

        Args:
            report_damaged: is called with one sentence for each version that cannot be read, and is therefore omitted.
        """
        found = []
        for name in self.names():
            for version in self._versions_in(name):
                try:
                    found.append(self._entry(name, version))
                except ModelError as error:
                    if (self.home / name / str(version)).exists():  # else it was deleted a moment ago
                        report_damaged(str(error))
        return found

    def names(self) -> list[str]:
        """The names of all models, sorted, including damaged ones."""
        return sorted(self._names(), key=str.casefold)

    def find(self, spec: str) -> ModelEntry | None:
        """The newest version of a name (whatever its case), or the one of `name@version`; None where there is none.

        Raises:
            ModelError: it exists, but cannot be read.
        """
        name, version = split_version(spec)
        versions = self.versions(name)
        if not versions or (version is not None and version not in versions):
            return None
        name_on_disk, found = self._name_on_disk(name), version or versions[-1]
        try:
            return self._entry(name_on_disk, found)
        except ModelError:
            if (self.home / name_on_disk / str(found)).exists():
                raise
            return self.find(spec)  # it was deleted a moment ago

    def versions(self, name: str) -> list[int]:
        """The version numbers of a name, in ascending order; none if there is no such model."""
        return self._versions_in(self._name_on_disk(name)) if is_name(name) else []

    def free_name(self, name: str, *, overwrite: bool, is_language_model: bool = False) -> str:
        """The name in its normal form, if a model may be published under it.

        Raises:
            RegistryError: it is not a valid name, it is that of a built-in model, or it is taken and `overwrite` is not
                set, or by a model of the other kind.
        """
        if not is_name(name):
            raise RegistryError(f"'{name}' is not a name for a model: names have {NAME_RULE}")
        name = normal_form(name)
        if is_language_model and name.casefold() in (LANGUAGE_MODEL, LANGUAGE_MODEL_OF_A_MODEL):
            raise RegistryError(
                f"'{name}' means a language model that exists already (see LIST THANOSQL MODEL); choose another name"
            )
        if find_built_in(name):
            raise RegistryError(
                f"'{name}' is the name of a built-in model, which a model of yours would hide; choose another name"
            )
        if not overwrite and self.versions(name):
            raise RegistryError(
                f"the model '{self._name_on_disk(name)}' exists already; add OPTIONS (overwrite=True) to make a new "
                f"version of it, or choose another name"
            )
        known = self.find(name) if self.versions(name) else None
        if known is not None and known.is_language_model != is_language_model:
            what = "a language model" if known.is_language_model else "an acoustic model"
            raise RegistryError(f"'{known.name}' is {what}, which does not become the other; choose another name")
        return name

    # Writing

    def stage(self, key: str | None = None) -> contextlib.AbstractContextManager[Path]:
        """A folder inside the home to make a model in; `publish` turns it, or a folder inside it, into a version.

        Without a `key` it starts empty, and is removed at the end of the block if it still exists. With a `key`
        (letters, digits, `_`, `-`) it holds what the last block with this key left, and is kept, so that a build can go
        on from its last checkpoint. The next `stage` removes it once it has not been used for two weeks.

        Raises:
            RegistryError: the home cannot be written, the disk is full, or another process uses the folder of `key`.
        """
        return self._staging.stage(key)

    def temporary_file(self) -> FileIO:
        """An unbuffered file on the disk of the home, without a name: it is gone when it is closed or its process ends.

        Raises:
            RegistryError: the home cannot be written.
        """
        with self._staging.errors_with_remedy():
            return self._staging.temporary_file()

    def errors_with_remedy(self, what: str = "a model") -> contextlib.AbstractContextManager[None]:
        """For a block that writes `what` to the home: its `OSError`s become a `RegistryError` with the remedy."""
        return self._staging.errors_with_remedy(what)

    def publish(
        self,
        staging: Path,
        name: str,
        *,
        kind: ModelKind,
        base: str | None = None,
        lineage: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        description: str = "",
    ) -> ModelEntry:
        """Make the staged folder the newest version of `name`: completely and durably, or not at all.

        Args:
            staging: what `stage` gave, or a folder inside it.
            name: the name of the model.
            kind: how it was made.
            base: the model it was made from.
            lineage: anything that JSON can hold.
            overwrite: whether a name that exists may get a new version; the older ones are kept.
            description: one line.

        Raises:
            RegistryError: the name is taken or not valid, the home cannot be written, or the disk is full.
        """
        is_language_model = kind == "language model"
        name = self.free_name(name, overwrite=overwrite, is_language_model=is_language_model)
        about = {
            "name": name,
            "kind": kind,
            "base": masked(base),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
            "description": description,
            "lineage": masked(lineage or {}),
        }
        with self._staging.errors_with_remedy():
            text = json.dumps(about, indent=2, ensure_ascii=False)
            _write_private(staging / LINEAGE_FILE, text + "\n")
            sync_tree(staging)
        with self._staging.locked():
            # Another process may have been faster.
            self.free_name(name, overwrite=overwrite, is_language_model=is_language_model)
            folder = self.home / self._name_on_disk(name)
            version = max(self._versions_in(folder.name), default=0) + 1
            folder.mkdir(exist_ok=True)
            os.rename(staging, folder / str(version))
            sync(folder)
            sync(self.home)
        return self._entry(folder.name, version)

    def upload(
        self, name: str, folder: Path, *, overwrite: bool = False, base: str | None = None, description: str = ""
    ) -> ModelEntry:
        """Copy a checkpoint in Hugging Face format into the registry: only the files that are needed, no pickles.

        A language model in its folder `language_model` is copied too, and what is missing for transformers'
        `AutoProcessor` is added (see `name_processor`).

        Raises:
            ModelError: the folder is not a usable checkpoint.
            RegistryError: as `publish`.
        """
        self.free_name(name, overwrite=overwrite)
        check_base(folder)
        with self.stage() as staging:
            with self._staging.errors_with_remedy():
                for path in needed_files(folder):
                    shutil.copyfile(path, staging / path.name)
                copy_language_model(folder, staging)
                name_processor(staging)
            check_base(staging)  # the folder may have changed while it was copied
            return self.publish(
                staging,
                name,
                kind="uploaded",
                base=base,
                lineage={"uploaded_from": str(folder.absolute())},
                overwrite=overwrite,
                description=description,
            )

    def delete(self, spec: str) -> list[ModelEntry]:
        """Remove every version of a name, or the one of `name@version`, and return what was removed.

        Raises:
            RegistryError: there is no such model, or the home cannot be written.
        """
        self._check_known(spec)  # before anything is written
        name, version = split_version(spec)
        with self._staging.locked():
            self._check_known(spec)
            folder = self.home / self._name_on_disk(name)
            versions = self._versions_in(folder.name)
            deleted = [self._entry(folder.name, each, damaged=True) for each in versions if version in (None, each)]
            trash = self._staging.move_to_trash(folder if version is None else folder / str(version))
            if versions == [version]:
                with contextlib.suppress(OSError):  # it holds a file that is not ours
                    folder.rmdir()
            sync(self.home)
        shutil.rmtree(trash, ignore_errors=True)
        return deleted

    # Internal

    def _names(self) -> Iterator[str]:
        with contextlib.suppress(OSError):
            yield from (child.name for child in self.home.iterdir() if is_name(child.name) and child.is_dir())

    def _name_on_disk(self, name: str) -> str:
        """The folder of a name, whatever case it is written in; the name itself if there is none."""
        return min((each for each in self._names() if same_name(each, name)), default=name)

    def _versions_in(self, name_on_disk: str) -> list[int]:
        with contextlib.suppress(OSError):
            children = (self.home / name_on_disk).iterdir()
            return sorted(int(each.name) for each in children if _VERSION.fullmatch(each.name) and each.is_dir())
        return []

    def _entry(self, name: str, version: int, *, damaged: bool = False) -> ModelEntry:
        """The entry of a version; with `damaged`, even if its `thano.json` cannot be read.

        Without `thano.json` (it is damaged, or that of another user, and private) the entry has no lineage, its kind is
        given as "uploaded", and its date is that of the folder.
        """
        path = self.home / name / str(version)
        try:
            about = read_about(path)
            return ModelEntry(
                name, version, about.kind, about.base, about.created, path, about.description, about.lineage
            )
        except (ModelError, ValueError) as error:
            if damaged or isinstance(error.__cause__, PermissionError):
                created = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
                return ModelEntry(name, version, "uploaded", None, created, path)
            raise ModelError(
                f"the model '{name}@{version}' is damaged: {path / LINEAGE_FILE} cannot be read; restore the file, or "
                f"delete the version (DELETE MODEL)"
            ) from error

    def _check_known(self, spec: str) -> None:
        name, version = split_version(spec)
        versions = self.versions(name)
        if not versions and find_built_in(name):
            raise RegistryError(f"the model '{name}' is built in and cannot be deleted; LIST MODEL shows your models")
        if not versions:
            raise RegistryError(f"there is no model '{name}' to delete.{did_you_mean(name, list(self._names()))}")
        if version is not None and version not in versions:
            known = ", ".join(map(str, versions))
            raise RegistryError(f"the model '{name}' has no version {version}; it has {known}")


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: the SQL of a model may say more than its weights."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
