"""What is sent to the workers of a Ray cluster: the files of models, batches, and the bytes of BLOBs by reference."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from thano_duckdb.language.language_model import ATTRIBUTES_FILE, LanguageModel
from thano_duckdb.language.model_file import WORDS_FILE
from thano_duckdb.models.adapters import adapter_file, chosen_language
from thano_duckdb.models.checkpoint import ADAPTER_FILES, needed_files

from .node_files import FolderContent
from .ray_worker import LanguageModelContent, SentDecoder, Witness, WorkerBatch
from .worker_pool import Batch, ModelSource

MAX_BLOB_BYTES = 512 * 2**20
"""Of the BLOBs that are on their way or with the workers; a larger batch is sent alone."""
MAX_LOOKED_AT = 16
"""Clips of a batch of which one must exist, so that it can be compared with what the worker sees."""


@dataclass(frozen=True)
class Parcel:
    """A batch that is to be sent.

    Attributes:
        batch: the dispatcher's.
        decoders: those of its clips that differ, the one of its options first.
        which: the decoder of each clip, by its number.
        n_bytes: of its BLOBs.
    """

    batch: Batch
    decoders: tuple[SentDecoder, ...]
    which: tuple[int, ...]
    n_bytes: int

    @property
    def language_models(self) -> Iterator[FolderContent]:
        """The files that its worker must have."""
        return (sent.language_model.content for sent in self.decoders if sent.language_model is not None)


class Parcels:
    """Makes what is sent by a pool, and knows what is on its way."""

    def __init__(self, ray: Any) -> None:
        """Put things into the object store of the cluster that `ray` is connected to."""
        self._ray = ray
        self._chunks: dict[str, list[Any]] = {}
        self._language_models: dict[tuple[str, Path], LanguageModelContent] = {}
        self._n_bytes: dict[int, int] = {}

    def chunks(self, content: FolderContent) -> list[Any]:
        """References to the bytes of some files; they are read once, however many machines need them.

        Raises:
            ModelError: a file cannot be read.
        """
        if content.digest not in self._chunks:
            self._chunks[content.digest] = [self._ray.put(chunk) for chunk in content.chunks()]
        return self._chunks[content.digest]

    def forget_chunks(self) -> None:
        """Free what `chunks` holds in the cluster."""
        self._chunks.clear()

    def parcel(self, batch: Batch) -> Parcel:
        """A batch as it will be sent.

        Raises:
            ModelError: a language model cannot be read.
        """
        numbers: dict[int, int] = {}
        decoders: list[SentDecoder] = []
        for decoder in (batch.options.decoder, *(batch.decoders or ())):
            if id(decoder) not in numbers:
                numbers[id(decoder)] = len(decoders)
                decoders.append(self._sent(decoder))
        own = batch.decoders or (batch.options.decoder,) * len(batch.clips)
        n_bytes = sum(len(clip.data or b"") for clip in batch.clips)
        return Parcel(batch, tuple(decoders), tuple(numbers[id(decoder)] for decoder in own), n_bytes)

    def has_room(self, parcel: Parcel) -> bool:
        """Whether its BLOBs may be sent now."""
        sent = sum(self._n_bytes.values())
        return not sent or sent + parcel.n_bytes <= MAX_BLOB_BYTES

    def send(self, parcel: Parcel, generation: int) -> tuple[WorkerBatch, Any]:
        """The arguments of `RayWorker.transcribe`; the BLOBs count until `arrived`."""
        batch = parcel.batch
        blobs = None
        if parcel.n_bytes:
            blobs = self._ray.put([clip.data for clip in batch.clips])
            self._n_bytes[batch.number] = parcel.n_bytes
        clips = tuple(clip if clip.data is None else dataclasses.replace(clip, data=b"") for clip in batch.clips)
        options = dataclasses.replace(
            batch.options, decoder=None, read_limits=dataclasses.replace(batch.options.read_limits, database=None)
        )
        return WorkerBatch(clips, parcel.decoders, parcel.which, options, _witness(batch), generation), blobs

    def arrived(self, number: int) -> None:
        """A batch is not on its way any more: its transcripts are here, or its worker is gone."""
        self._n_bytes.pop(number, None)

    def forget_batches(self) -> None:
        """No batch is on its way any more."""
        self._n_bytes.clear()

    def _sent(self, decoder: Any) -> SentDecoder:
        model: LanguageModel | None = getattr(decoder, "language_model", None)
        if model is None:
            return SentDecoder(decoder, None)
        key = (model.fingerprint, model.path)
        if key not in self._language_models:
            beside = (model.path.with_name(name) for name in (WORDS_FILE, ATTRIBUTES_FILE))
            content = FolderContent.read([model.path, *(path for path in beside if path.is_file())])
            self._language_models[key] = LanguageModelContent.of(model, content)
        return SentDecoder(dataclasses.replace(decoder, language_model=None), self._language_models[key])


def model_content(source: ModelSource) -> FolderContent:
    """The files of a model that a worker needs: of the adapters of languages only the one that it writes.

    Raises:
        LanguageError: the model has languages, and not the one that is asked for.
        ModelError: a file cannot be read.
    """
    language = chosen_language(source.folder, source.language)
    adapter = adapter_file(source.folder, language).name if language is not None else ""
    return FolderContent.read(
        path for path in needed_files(source.folder) if not fnmatch(path.name, ADAPTER_FILES) or path.name == adapter
    )


def _witness(batch: Batch) -> Witness | None:
    """A file of a batch that exists; None where it has only URLs, BLOBs and paths that lead nowhere."""
    for clip in batch.clips[:MAX_LOOKED_AT]:
        if clip.data is None and not clip.is_url:
            try:
                return Witness(clip.written_path, os.stat(clip.written_path).st_size)
            except (OSError, ValueError):
                continue
    return None
