"""The data sets that ship with the package, and copying one into a working folder."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from thano_duckdb.errors import ThanoError, did_you_mean

from . import bundled
from .staging import sync


@dataclass(frozen=True)
class Dataset:
    """A data set that ships with the package.

    Attributes:
        name: as users write it.
        data_type: the type of its content, `audio`.
        folder: where its copy goes, relative to the working folder.
        description: one line.
    """

    name: str
    data_type: str
    folder: str
    description: str


DATASETS = (
    Dataset(
        "librispeech_data",
        "audio",
        "tutorial_data/librispeech_data",
        "100 short English sentences spoken by text-to-speech, with librispeech_train.csv (80) and "
        "librispeech_test.csv (20): audio_path, text",
    ),
    Dataset(
        "telephone_data",
        "audio",
        "tutorial_data/telephone_data",
        "the same sentences over a mobile phone (8 kHz, GSM), with telephone_train.csv (80) and telephone_test.csv "
        "(20): audio_path, text, speaker",
    ),
)


_OF_LATER_TUTORIALS = "thanosql-dataset/"


def where_it_is(path: str) -> str:
    """A path of the later tutorials, `thanosql-dataset/librispeech_data/..`, as one of the copy that GET makes here.

    Any other path, and one that exists, is returned as it is.
    """
    if path.startswith(_OF_LATER_TUTORIALS) and not os.path.lexists(path):
        for dataset in DATASETS:
            inside = path.removeprefix(f"{_OF_LATER_TUTORIALS}{dataset.name}")
            if len(inside) < len(path) and inside[:1] in ("", "/") and os.path.isdir(dataset.folder):
                return f"{dataset.folder}{inside}"
    return path


def find_dataset(name: str) -> Dataset:
    """The data set of a name, whatever its case.

    Raises:
        ThanoError: there is none.
    """
    for dataset in DATASETS:
        if dataset.name.casefold() == name.casefold():
            return dataset
    raise ThanoError(
        f"there is no data set '{name}'.{did_you_mean(name, [dataset.name for dataset in DATASETS])} LIST THANOSQL "
        f"DATASET shows all names"
    )


def copy_dataset(dataset: Dataset, working_folder: Path, *, overwrite: bool = False) -> Path:
    """Copy a data set to its folder under `working_folder`.

    Files that exist there and have the same content are left alone. Each file appears as a whole or not at all, and the
    tables appear after the clips that they name.

    Args:
        dataset: which.
        working_folder: where the user works.
        overwrite: replace files that exist there and have other content.

    Returns:
        The absolute path of the copy.

    Raises:
        ThanoError: a file exists and has other content, or the folder cannot be written.
    """
    folder = working_folder.absolute() / dataset.folder
    # Tables last: then what they name exists.
    sources = sorted(bundled.dataset_folder(dataset.name).iterdir(), key=lambda path: (path.suffix == ".csv", path))
    if not sources:
        raise ThanoError(f"the files of '{dataset.name}' are missing from this copy of the package: install it again")
    try:
        missing = [source for source in sources if not _is_copied(source, folder / source.name, overwrite)]
        folder.mkdir(parents=True, exist_ok=True)
        for source in missing:
            _copy(source, folder / source.name)
    except OSError as error:
        raise _with_remedy(error, folder) from error
    return folder


def _is_copied(source: Path, target: Path, overwrite: bool) -> bool:
    """Whether `target` already has the content of `source`.

    Raises:
        ThanoError: it has other content, and `overwrite` is not set.
    """
    if not os.path.lexists(target):
        return False
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return True
    if not overwrite:
        raise ThanoError(
            f"{target} exists, has other content, and was left as it is; move it away, or replace it with OPTIONS "
            f"(overwrite=True)"
        )
    return False


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        shutil.copyfile(source, partial)
        sync(partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _with_remedy(error: OSError, folder: Path) -> ThanoError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ThanoError(
            f"there is no space left for the data set in {folder}; existing files are unharmed. Free some space and "
            f"run the statement again: it continues where it stopped"
        )
    return ThanoError(
        f"the data set cannot be written to {folder} ({error.strerror}); work in a folder that you may write to, or "
        f"change its permissions"
    )
