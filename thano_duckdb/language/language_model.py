"""`LanguageModel`, an n-gram model on this machine, and what the option `language_model` means."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from thano_duckdb.models.registry import Registry


@dataclass(frozen=True)
class LanguageModel:
    """A word n-gram model in a file.

    Attributes:
        name: what the user calls it: a registered name, `en`, or a path.
        path: an ARPA file, one compressed by gzip, or a KenLM binary.
        order: the longest n-gram.
        fingerprint: of the content of the file: two models with the same one score alike.
        is_upper_case: whether its words are written in capitals, as those of some corpora are; else in small letters.
        lm_weight: the weight that it was tuned for, beside the acoustic score (alpha of pyctcdecode); None where unknown.
        word_score: what each word of a transcript earns (beta of pyctcdecode); None where unknown.
        description: one line.
    """

    name: str
    path: Path
    order: int
    fingerprint: str
    is_upper_case: bool = False
    lm_weight: float | None = None
    word_score: float | None = None
    description: str = ""

    def unigrams(self) -> tuple[str, ...] | None:
        """The words that it knows, without <s>, </s> and <unk>; None for a KenLM binary without a list of them.

        Raises:
            ModelError: the file has been deleted or damaged.
        """
        raise NotImplementedError


def resolve_language_model(
    value: str | None,
    registry: Registry,
    *,
    acoustic_model: Path | None = None,
    alphabet: Collection[str] | None = None,
    may_read: Callable[[Path], bool] = lambda _path: True,
) -> LanguageModel | None:
    """The language model that an option means.

    In this order: None for none; `'en'`, the English one in this package; `'model'`, the one in the folder of the
    acoustic model; a path (with a `/`, or starting with `.` or `~`); a registered `name` or `name@version`; a file of
    that name in the working directory.

    Args:
        value: what the user wrote.
        registry: the models on disk.
        acoustic_model: the folder of the acoustic model, for `'model'`.
        alphabet: the characters that the acoustic model writes, in any case; None: whether it fits is not checked.
        may_read: whether the database may read a file outside of the registry.

    Raises:
        ModelError: there is no such language model, it is damaged, none of it can be written in `alphabet`, or it may
            not be read: one sentence with the remedy.
    """
    if value is None:
        return None
    raise NotImplementedError
