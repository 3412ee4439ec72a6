"""The languages of a checkpoint in the style of MMS: one network, and for each language an adapter and a vocabulary.

`vocab.json` holds a vocabulary per language, `adapter.<language>.safetensors` the weights of its adapter layers and of
its head, and "target_lang" of `tokenizer_config.json` names the language whose weights `model.safetensors` has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thano_duckdb.errors import LanguageError, ModelError, brief

from .character_tokenizer import write_json
from .checkpoint import ADAPTER_FILES, read_json

EXAMPLE = "'hf://facebook/mms-1b-all'"
MAX_NEAREST = 3
"""Codes that a message suggests."""
_NEARNESS = 0.5
_TWO_LETTERS = """
af=afr am=amh ar=ara az=azj be=bel bg=bul bn=ben bs=bos ca=cat cs=ces cy=cym da=dan de=deu el=ell en=eng es=spa et=est
eu=eus fa=fas fi=fin fr=fra ga=gle gl=glg gu=guj ha=hau he=heb hi=hin hr=hrv hu=hun hy=hye id=ind is=isl it=ita ja=jpn
jp=jpn ka=kat kk=kaz km=khm kn=kan ko=kor kr=kor ky=kir lo=lao lt=lit lv=lav mk=mkd ml=mal mn=mon mr=mar ms=zlm mt=mlt
my=mya ne=npi nl=nld no=nob pa=pan pl=pol ps=pus pt=por ro=ron ru=rus sk=slk sl=slv so=som sq=sqi sr=srp sv=swe sw=swh
ta=tam te=tel tg=tgk th=tha tl=tgl tr=tur uk=ukr ur=urd uz=uzb vi=vie wo=wol xh=xho yo=yor zh=cmn cn=cmn zu=zul
"""
"""What people write in place of the three letters of MMS: two letters, of the larger languages."""


@dataclass(frozen=True)
class Languages:
    """The languages of a checkpoint.

    Attributes:
        codes: all that have a vocabulary, as the checkpoint writes them, such as `kor` or `cmn-script_simplified`.
        default: the one whose weights the checkpoint has without any adapter; None where it does not say so.
    """

    codes: tuple[str, ...]
    default: str | None

    def find(self, given: str) -> str:
        """The code that a user means, whatever the case of its letters and the spaces around it.

        Raises:
            LanguageError: there is none; the message names the nearest.
        """
        if given in self.codes:
            return given
        for code in self.codes:
            if code.casefold() == given.strip().casefold():
                return code
        if len(self.codes) == 1:
            raise LanguageError(f"the model has only the language '{self.codes[0]}', not {brief(given)}")
        near = self.nearest(given)
        suggestion = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise LanguageError(
            f"the model has no language {brief(given)} among its {len(self.codes):,}{suggestion or '.'} "
            f"{'Codes' if near else 'Its codes'} are {', '.join(self.codes[:5])}{', ..' if self.codes[5:] else ''}"
        )

    def nearest(self, given: str) -> list[str]:
        """The codes that are like what a user wrote, the likeliest first."""
        import difflib

        given = given.casefold()
        folded = {code.casefold(): code for code in self.codes}
        three_letters = dict(pair.split("=") for pair in _TWO_LETTERS.split())
        written = three_letters.get(given.replace("_", "-").partition("-")[0], given)  # also of de-DE
        found = [code for code in folded if code.partition("-")[0] == written]  # also all scripts of a language
        if not found and len(given) > 3:  # korean
            found = [code for code in folded if given.startswith(code)]
        found += difflib.get_close_matches(given, list(folded), n=MAX_NEAREST, cutoff=_NEARNESS) if not found else []
        return [folded[code] for code in found[:MAX_NEAREST]]


def read_languages(folder: Path) -> Languages | None:
    """The languages of a checkpoint; None where it has a single vocabulary.

    Raises:
        ModelError: a file of the folder is damaged.
    """
    vocabularies = _read_object(folder / "vocab.json")
    if not is_nested(vocabularies):
        return None
    codes = [code for code, vocabulary in vocabularies.items() if isinstance(vocabulary, dict) and _is_file_name(code)]
    default = _read_object(folder / "tokenizer_config.json").get("target_lang")
    return Languages(tuple(codes), default if default in codes else None)


def is_nested(vocabulary: dict[str, Any]) -> bool:
    """Whether a `vocab.json` holds a vocabulary per language."""
    return any(isinstance(value, dict) for value in vocabulary.values())


def chosen_language(folder: Path, given: str | None) -> str | None:
    """The language that a checkpoint is used in, as it writes it; None where it has only one.

    Args:
        folder: of the checkpoint.
        given: what the user asks for; None for the default.

    Raises:
        LanguageError: the model has languages, and not this one.
        ModelError: it has one language only, or several and no default, or a file is damaged.
    """
    languages = read_languages(folder)
    if given is not None:
        check_has_languages(folder, languages)
    if languages is None:
        return None
    if given is not None:
        return languages.find(given)
    if languages.default is None:
        codes: Sequence[str] = languages.codes[:5]
        raise ModelError(
            f"{folder} has vocabularies for {len(languages.codes):,} languages and no default: choose one, OPTIONS "
            f"(language='{codes[0] if codes else 'eng'}'); it has {', '.join(codes)}{', ..' if codes[5:] else ''}"
        )
    return languages.default


def check_has_languages(folder: Path, languages: Languages | None) -> None:
    """Refuse to choose a language of a checkpoint that has no choice.

    Raises:
        ModelError: it has no adapters.
    """
    if languages is None or not _has_adapters(folder):
        raise ModelError(
            f"the model in {folder} has no adapters for languages: it writes the one that it was trained on, so omit "
            f"the option 'language'. A model of many languages is {EXAMPLE}"
        )


def adapter_file(folder: Path, language: str) -> Path:
    """Where the weights of a language are, if they are in the folder."""
    return folder / ADAPTER_FILES.replace("*", language)


def usable_languages(folder: Path, languages: Languages) -> tuple[str, ...]:
    """The languages of a checkpoint whose weights are in its folder."""
    if not _has_adapters(folder):
        return languages.codes
    files = {path.name for path in folder.glob(ADAPTER_FILES)}
    return tuple(
        code
        for code in languages.codes
        if adapter_file(folder, code).name in files or (code == languages.default and _fits_head(folder, languages))
    )


def needs_adapter(folder: Path, language: str) -> bool:
    """Whether the file of a language's adapter is missing, and its weights are not those of the checkpoint itself."""
    if adapter_file(folder, language).is_file():
        return False
    languages = read_languages(folder)
    return languages is not None and language not in usable_languages(folder, languages)


def find_adapter(folder: Path, language: str) -> Path | None:
    """The file with the weights of a language; None where those of the checkpoint itself are of that language.

    Raises:
        ModelError: it is missing.
    """
    if needs_adapter(folder, language):
        raise missing_adapter(folder, language)
    path = adapter_file(folder, language)
    return path if path.is_file() and _has_adapters(folder) else None


def keep_language(folder: Path, language: str) -> None:
    """Make a language the only one, and the default, of the vocabularies of a folder."""
    vocabulary, settings = folder / "vocab.json", folder / "tokenizer_config.json"
    write_json(vocabulary, {language: read_json(vocabulary)[language]})
    write_json(settings, {**_read_object(settings), "target_lang": language})


def count_outputs(path: Path) -> int:
    """How many outputs the head of a language has, from the header of the file of its adapter.

    Raises:
        ModelError: the file is damaged, or holds no head.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as weights:
            shape = weights.get_slice("lm_head.weight").get_shape()
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged, or not the adapter of a language ({error}); copy it again") from error
    if len(shape) != 2 or 0 in shape:  # a header may announce any number of outputs that hold nothing
        raise ModelError(
            f"{path} is damaged, or not the adapter of a language (its lm_head.weight is of shape {shape}); copy it "
            "again"
        )
    return int(shape[0])


def missing_adapter(folder: Path, language: str) -> ModelError:
    """The error for a language whose weights are not in a folder."""
    name = adapter_file(folder, language).name
    have = sorted(path.name.split(".")[1] for path in folder.glob(ADAPTER_FILES))
    others = f"; it has the adapters of {', '.join(have[:5])}{', ..' if have[5:] else ''}" if have else ""
    pickled = adapter_file(folder, language).with_suffix(".bin")
    why = f" ({pickled.name} is a pickle, which is never loaded)" if pickled.is_file() else ""
    return ModelError(
        f"{folder} lacks {name}, the weights of the language '{language}'{why}{others}: copy it from where the model "
        "came from"
    )


def _fits_head(folder: Path, languages: Languages) -> bool:
    """Whether the head of the checkpoint itself can be the one of its default language.

    A head of another language would write garbage: it must have the outputs of the vocabulary exactly, those of tokens
    that were added to it included. Where there is only one vocabulary, more outputs than tokens are harmless.
    """
    n_outputs = _read_object(folder / "config.json").get("vocab_size")
    vocabulary = _read_object(folder / "vocab.json").get(languages.default or "", {})
    ids = [index for index in vocabulary.values() if isinstance(index, int)]
    if not (ids and isinstance(n_outputs, int)):
        return True  # damaged, which is reported where the vocabulary is read
    if len(languages.codes) == 1:
        return max(ids) < n_outputs
    ids += [index for index in _read_object(folder / "added_tokens.json").values() if isinstance(index, int)]
    added = _read_object(folder / "tokenizer_config.json").get("added_tokens_decoder")
    ids += [int(index) for index in added if len(index) < 10 and index.isdecimal()] if isinstance(added, dict) else []
    return max(ids) + 1 == n_outputs


def _has_adapters(folder: Path) -> bool:
    return _read_object(folder / "config.json").get("adapter_attn_dim") is not None


def _read_object(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where it is missing, or holds something else, which its reader reports."""
    content = read_json(path) if path.is_file() else None
    return content if isinstance(content, dict) else {}


def _is_file_name(code: str) -> bool:
    return 0 < len(code) < 100 and not set("/\\\0") & set(code)
