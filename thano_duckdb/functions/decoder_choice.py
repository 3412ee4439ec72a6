"""Which decoder the options of a statement ask for, and the hotwords of its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError, brief, counted
from thano_duckdb.language.language_model import LanguageModel, resolve_language_model
from thano_duckdb.models import bundled
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL, LANGUAGE_MODEL_OF_A_MODEL
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_FOLDER, ngram_file, reading_model, uses_bundled_language_model
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.speech.threads import run_aside

from .arguments import sql_name

if TYPE_CHECKING:
    from thano_duckdb.speech.decoding.beam import BeamDecoder
    from thano_duckdb.speech.decoding.hotwords import HotwordList
    from thano_duckdb.speech.decoding.vocabulary import Vocabulary

MAX_NAMED = 3
"""Hotwords without effect that are named in warnings of their own."""
MAX_SHARE_UNWRITABLE = 0.02
"""Of the words of a language model: above it a warning says so."""
MAX_LETTER_WEIGHT = 3.0
"""Up to it a hotword of one letter changes hardly any text."""
RowHotwords = Sequence[tuple[str, ...]]
"""The hotwords of each row."""


@dataclasses.dataclass(frozen=True)
class DecoderChoice:
    """Chooses the decoder of a call.

    Attributes:
        session: of the connection that calls.
        statement: that runs.
        access: what it may read.
    """

    session: Session
    statement: RunningStatement
    access: Access

    def decoder(
        self,
        vocabulary: Vocabulary,
        model: ResolvedModel,
        options: dict[str, Any],
        *,
        default: Any,
        for_row_hotwords: bool,
        is_loaded: bool = True,
    ) -> Any:
        """The decoder for a model: its default one, unless something needs the beam search.

        Args:
            vocabulary: of the model.
            model: what its name means.
            options: of the call.
            default: see `ModelDescription.default_decoder`.
            for_row_hotwords: whether rows have hotwords of their own.
            is_loaded: whether the decoder can be used afterwards; else it only tells whose transcripts are known.

        Raises:
            ModelError: the language model does not exist, does not fit or cannot be loaded, or there is no beam search
                on this machine.
        """
        language_model = self._language_model(vocabulary, model, options)
        decoder = self._beam_decoder(language_model, options, for_row_hotwords=for_row_hotwords)
        if decoder is None:
            return default
        if is_loaded:
            self._load(decoder, vocabulary)
        self._warn_of_hotwords(decoder, vocabulary)
        return decoder

    def not_loaded(
        self, vocabulary: Vocabulary, model: ResolvedModel, options: dict[str, Any], *, for_row_hotwords: bool
    ) -> BeamDecoder | None:
        """The same for a network that is not loaded, nor is the decoder; None for the default one.

        Raises:
            ModelError: the language model does not exist or does not fit.
        """
        language_model = self._language_model(vocabulary, model, options, is_read=False)
        return self._beam_decoder(language_model, options, for_row_hotwords=for_row_hotwords)

    def _beam_decoder(
        self, language_model: LanguageModel | None, options: dict[str, Any], *, for_row_hotwords: bool
    ) -> BeamDecoder | None:
        """The beam search, where something needs it."""
        if language_model is None and (idle := sorted({"lm_weight", "word_score"}.intersection(options))):
            self.session.notice(
                f"Without a language model, {' and '.join(idle)} {'has' if len(idle) == 1 else 'have'} no effect."
            )
        if language_model is None and not (for_row_hotwords or options.get("hotwords") or "n_best" in options):
            return None
        from thano_duckdb.speech.decoding.beam import BeamDecoder

        given: dict[str, Any] = {
            name: options[name] for name in ("beam_width", "hotword_weight", "n_best") if name in options
        }
        return BeamDecoder(
            language_model,
            hotwords=tuple(options.get("hotwords", ())),
            **given,
            **_weights(language_model, options),
        )

    def _warn_of_hotwords(self, decoder: BeamDecoder, vocabulary: Vocabulary) -> None:
        """Hotwords that the model cannot spell have no effect."""
        hotwords = decoder.hotwords_for(vocabulary)
        unspelled = hotwords.unspelled
        for word in unspelled[:MAX_NAMED]:
            self.session.notice(f"The hotword {brief(word.given)} has no effect: {word.problem}.")
        if (more := len(unspelled) - MAX_NAMED) > 0:
            self.session.notice(
                f"{counted(more, 'more hotword')} without effect: PREDICT with OPTIONS (include='hotwords') gives the "
                "reason of each."
            )
        self._warn_of_letters(decoder, hotwords)

    def with_row_hotwords(self, decoder: Any, vocabulary: Vocabulary, rows: RowHotwords) -> list[Any]:
        """The decoder of each row: rows of the same hotwords share one."""
        decoders: dict[tuple[str, ...], Any] = {}
        for words in rows:
            if words not in decoders:
                both = tuple(dict.fromkeys(decoder.hotwords + words))
                decoders[words] = dataclasses.replace(decoder, hotwords=both) if words else decoder
        for words in decoders:
            self._warn_of_letters(decoders[words], decoders[words].hotwords_for(vocabulary))
        if any(decoders[words].hotwords_for(vocabulary).unspelled for words in decoders if words):
            self.session.notice(
                "Some hotwords of the rows have no effect: PREDICT with OPTIONS (include='hotwords') gives the reasons."
            )
        return [decoders[words] for words in rows]

    def _warn_of_letters(self, decoder: BeamDecoder, hotwords: HotwordList) -> None:
        """Hotwords of one letter are words that any noise may be taken for."""
        if hotwords.letters and decoder.hotword_weight > MAX_LETTER_WEIGHT:
            self.session.notice(
                f"Hotwords of a single letter ({brief(hotwords.letters[0])}) are written in places where nobody said "
                f"them: omit them, or give a hotword_weight of {MAX_LETTER_WEIGHT:g} or less."
            )

    def _language_model(
        self, vocabulary: Vocabulary, model: ResolvedModel, options: dict[str, Any], *, is_read: bool = True
    ) -> LanguageModel | None:
        """What the options mean; where it `is_read`, a warning says that the model cannot write its words."""
        if "language_model" in options:
            value = options["language_model"]
        else:
            value = self.statement.pinned(("default language model", model), lambda: self._default(model))
        if value is None:
            return None

        characters = {char for token in vocabulary.tokens if token for char in token}

        def find() -> LanguageModel | None:
            found = resolve_language_model(
                value,
                self.session.registry,
                acoustic_model=model.folder,
                alphabet=characters,
                may_read=self._may_read,
            )
            if found is not None and is_read:
                self._warn_of_unwritable_words(found, characters)
            return found

        return self.statement.pinned(("language model", value, model, frozenset(characters)), find)

    def _warn_of_unwritable_words(self, language_model: LanguageModel, characters: set[str]) -> None:
        useless = language_model.unwritable(characters)
        if len(useless) > MAX_SHARE_UNWRITABLE * len(language_model.unigrams() or ()):
            self.session.notice(
                f"{counted(len(useless), 'word')} of the language model {brief(language_model.name)} can never be "
                f"written by the acoustic model, such as {brief(useless[len(useless) // 2])}: its letters, accents, "
                "digits or capitals are not in the model's alphabet."
            )

    def _default(self, model: ResolvedModel) -> str | None:
        """What the option means where it is omitted."""
        with reading_model(model.folder):
            uses_bundled = uses_bundled_language_model(model.folder)
        uses_bundled = uses_bundled and ngram_file(bundled.LANGUAGE_MODEL_FOLDER) is not None
        chosen = self._bundled_if_usable() if uses_bundled else None
        if ngram_file(model.folder / LANGUAGE_MODEL_FOLDER) is not None:
            self.session.notice(
                f"The model {brief(model.name)} has a language model in its folder, which is not used"
                f"{f' ({chosen!r} is)' if chosen else ''}: OPTIONS (language_model='{LANGUAGE_MODEL_OF_A_MODEL}') uses "
                f"it, language_model={repr(chosen) if chosen else 'NULL'} does not, without this warning."
            )
        return chosen

    def _bundled_if_usable(self) -> str | None:
        from thano_duckdb.speech.decoding.beam_library import problem

        if (why := problem()) is None:
            return LANGUAGE_MODEL
        self.session.notice(f"The texts are written without the language model '{LANGUAGE_MODEL}': {why}.")
        return None

    def _may_read(self, path: Path) -> bool:
        return self.access.allows(str(path))

    def _load(self, decoder: BeamDecoder, vocabulary: Vocabulary) -> None:
        """Load its language model, once per statement; an interrupt does not wait for it."""
        model = decoder.language_model

        def load() -> bool:
            with self.statement.loading("the beam search" if model is None else model.name) as loading:
                run_aside(lambda: decoder.load(vocabulary), self.statement, loading.show)
            return True

        self.statement.pinned(("decoder", decoder, vocabulary), load)


def _weights(model: LanguageModel | None, options: dict[str, Any]) -> dict[str, Any]:
    """The weights that are given, or those that the language model was tuned for."""
    if model is None:
        return {"word_score": 0.0}  # the library scores words only where there is a language model
    stored = {"lm_weight": model.lm_weight, "word_score": model.word_score}
    return {name: value for name in stored if (value := options.get(name, stored[name])) is not None}


def row_hotwords(column: pa.ChunkedArray) -> RowHotwords | None:
    """The hotwords of each row; None where the call has no such column. NULL, in it or in a list, is no hotword.

    Raises:
        ThanoError: the column is not one of lists of texts.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return None
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not (_is_text(kind.value_type) or pa.types.is_null(kind.value_type)):
        raise ThanoError(f"the hotwords of a row must be a list of texts (VARCHAR[]), not {sql_name(kind)}")
    return [tuple(dict.fromkeys(word for word in words or () if word)) for words in column.to_pylist()]


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):  # ENUM
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
