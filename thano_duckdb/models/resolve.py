"""Which folder a model's name means: a folder, a name in the registry, a built-in name, or a model on the hub."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from cachetools import TTLCache

from thano_duckdb.errors import HubUnavailableError, ModelError, did_you_mean

from . import bundled
from .checkpoint import check_checkpoint
from .hub import from_hub
from .names import is_name, split_version
from .registry import Registry

# How long it is not asked again after it was out of reach.
RETRY_HUB_AFTER_S = 300

_HUB_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?/?")
_LIKE_A_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")

TUTORIAL_MODEL = "tutorial_audio_recognition"
"""The one name for which the bundled model stands in where the hub cannot be reached."""

_NO_EXTERNAL_ACCESS = "this database may not (enable_external_access=false)"


@dataclass(frozen=True)
class BuiltIn:
    """A model that has a name of ours.

    Attributes:
        names: all it goes by, in any case; the first is the one to show.
        repo_id: `owner/name` on the hub; None for what ships with the package.
        description: one line.
    """

    names: tuple[str, ...]
    repo_id: str | None
    description: str


BUILT_IN = (
    BuiltIn(
        ("Wav2Vec2En", TUTORIAL_MODEL, "wav2vec2"),
        "facebook/wav2vec2-base-960h",
        "Wav2Vec2 base for English, trained on 960 hours of LibriSpeech",
    ),
    BuiltIn(
        ("Wav2Vec2LargeEn",),
        "facebook/wav2vec2-large-960h-lv60-self",
        "Wav2Vec2 large for English, trained on Libri-Light and 960 hours of LibriSpeech",
    ),
    BuiltIn(
        (bundled.MODEL,),
        None,
        "small Wav2Vec2 for English that ships with the package: needs no network, for trying things out",
    ),
)


@dataclass(frozen=True)
class ResolvedModel:
    """A model on this machine.

    Attributes:
        folder: in Hugging Face format.
        name: the registered or built-in name, `hf://owner/name[@revision]`, or the absolute folder.
        version: of a registered model, else None.
        notice: what the user should know of it: that it stands in for another; else empty.
    """

    folder: Path
    name: str
    version: int | None = None
    notice: str = ""


def resolve(spec: str, registry: Registry, *, allow_external: bool = True) -> ResolvedModel:
    """The folder that `spec` means, fetched from the hub if it must be.

    In this order: `hf://owner/name[@revision]`; a path (with a `/`, or starting with `.` or `~`), relative to the
    working directory; a registered `name` or `name@version`; a built-in name; a folder of that name in the working
    directory. Names are found in any case. A folder never hides a model of the same name: for it write `./name`.

    Args:
        spec: what stands after USING.
        registry: the models on disk.
        allow_external: False where the database may not read files: then only registered models, and built-in ones
            that ship with the package or are in the hub's local cache.

    Raises:
        ModelError: unknown, not to be had, or not a usable checkpoint, and what to do.
    """
    if spec.startswith("hf://"):
        address = _HUB_ADDRESS.fullmatch(spec)
        if address is None:
            raise ModelError(
                f"'{spec}' is not an address on the hub; write 'hf://owner/name' or 'hf://owner/name@revision'"
            )
        _check_external(spec, allow_external)
        return ResolvedModel(from_hub(spec, address["repo"], address["revision"]), spec.rstrip("/"))
    if _is_path(spec):
        _check_external(spec, allow_external)
        return _from_folder(spec)
    if entry := registry.find(spec):
        return ResolvedModel(entry.path, entry.name, entry.version)
    name, version = split_version(spec)
    if versions := registry.versions(name):
        known = ", ".join(map(str, versions))
        raise ModelError(f"the model '{name}' has no version {version}; it has {known}")
    if model := built_in(spec):
        return _resolve_built_in(spec, model, allow_external)
    if allow_external and spec and Path(spec).is_dir():
        return _from_folder(spec)
    raise _unknown(spec, registry)


def check(spec: str, registry: Registry) -> None:
    """Refuse, without the network, a `spec` that cannot mean any model.

    Raises:
        ModelError: as `resolve` would.
    """
    if not spec.startswith("hf://") and not built_in(spec):
        resolve(spec, registry)


def built_in(name: str) -> BuiltIn | None:
    """The built-in model of that name, in any case."""
    folded = name.casefold()
    return next((model for model in BUILT_IN if folded in (each.casefold() for each in model.names)), None)


def local_folder(path: str) -> Path:
    """The absolute folder that a user's path means; `~` and relative paths are resolved."""
    return Path(path).expanduser().absolute()


_outages: TTLCache[str, str] = TTLCache(maxsize=8, ttl=RETRY_HUB_AFTER_S)
"""Why the hub could not be reached, by repository: so that nobody waits for it again and again."""
_asking = threading.Lock()


def forget_outages() -> None:
    """Ask the hub again at the next need of it, however lately it was out of reach."""
    _outages.clear()


def _resolve_built_in(spec: str, model: BuiltIn, allow_external: bool) -> ResolvedModel:
    name = model.names[0]
    forbidden = None if allow_external else _NO_EXTERNAL_ACCESS
    if model.repo_id is None:
        return ResolvedModel(bundled.model_folder(), name)
    if spec.casefold() != TUTORIAL_MODEL.casefold() or not bundled.has_model():
        return ResolvedModel(from_hub(spec, model.repo_id, None, forbidden=forbidden), name)
    with _asking:  # of DuckDB's threads one asks, and the others hear its answer
        try:
            known = forbidden or _outages.get(model.repo_id)
            return ResolvedModel(from_hub(spec, model.repo_id, None, forbidden=known), name)
        except HubUnavailableError as error:
            if known is None:
                _outages[model.repo_id] = error.why
            return ResolvedModel(
                bundled.model_folder(),
                bundled.MODEL,
                notice=(
                    f"'{spec}' is {model.repo_id}, which is not in the local cache, and the Hugging Face hub cannot be "
                    f"used: {error.why}. The small model '{bundled.MODEL}' of this package stands in. It is for trying "
                    f"things out: expect misspelt words in clear, read English, and much worse in other speech"
                ),
            )


def _is_path(spec: str) -> bool:
    return spec.startswith((".", "~")) or "/" in spec or os.sep in spec


def _check_external(spec: str, allow_external: bool) -> None:
    if not allow_external:
        raise ModelError(
            f"this database may not read files or URLs (enable_external_access=false), so '{spec}' cannot be used; "
            f"name a model that is registered"
        )


def _from_folder(spec: str) -> ResolvedModel:
    folder = local_folder(spec)
    if not folder.exists():
        hint = f" For the model of that name on the Hugging Face hub write 'hf://{spec}'."
        raise ModelError(f"there is no model folder {folder}.{hint if _LIKE_A_HUB_NAME.fullmatch(spec) else ''}")
    check_checkpoint(folder)
    return ResolvedModel(folder, str(folder))


def _unknown(spec: str, registry: Registry) -> ModelError:
    known = registry.names() + [name for model in BUILT_IN for name in model.names]
    if not is_name(split_version(spec)[0]):
        return ModelError(f"'{spec}' is neither the name of a model nor a folder")
    return ModelError(
        f"there is no model '{spec}'.{did_you_mean(spec, known)} LIST THANOSQL MODEL shows all names; a folder is "
        f"written './folder', a model on the Hugging Face hub 'hf://owner/name'"
    )
