"""What a model's name means: a folder, a name in the registry, a built-in name, or a model on the Hugging Face hub."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cachetools import TTLCache

from thano_duckdb.errors import HubUnavailableError, ModelError, did_you_mean
from thano_duckdb.model_name import is_name, split_version

from . import bundled
from .built_in_models import BUILT_IN_MODELS, LANGUAGE_MODEL, TUTORIAL_MODEL, BuiltInModel, find_built_in
from .checkpoint import check_base, check_checkpoint
from .hub import NO_EXTERNAL_ACCESS, find_cached, from_hub
from .registry import Registry
from .thanosql_names import advice_on

RETRY_HUB_AFTER_S = 300
"""How long the hub is not asked again for the tutorial's model after it could not be reached."""

NO_DOWNLOAD = "nothing is downloaded for a plan"
_HUB_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?/?")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LIKE_A_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")

_OF_A_LANGUAGE = re.compile(r"wav2vec2[_-]?(?:tiny|base|large|xlsr)?[_-]?(?P<code>[a-z]{2})", re.IGNORECASE)
# ISO 639-1, and what people write in its place (kr, jp, cn).
_OTHER_LANGUAGES = (
    "af am ar az be bg bn bs ca cn cs cy da de el es et eu fa fi fr ga gl gu ha he hi hr hu hy id ig is it ja jp ka kk "
    "km kn ko kr ky lo lt lv mk ml mn mr ms mt my ne nl no or pa pl ps pt ro ru sk sl so sq sr sv sw ta te tg th tl tr "
    "uk ur uz vi wo xh yo zh zu"
)

_outages: TTLCache[str, str] = TTLCache(maxsize=8, ttl=RETRY_HUB_AFTER_S)
"""Why the hub could not be reached, by repository: so that not every statement waits for it again."""
_hub_lock = threading.Lock()
"""One of DuckDB's threads asks the hub, and the others use its answer."""


@dataclass(frozen=True)
class ResolvedModel:
    """A model on this machine.

    Attributes:
        folder: in Hugging Face format.
        name: the registered or built-in name, `hf://owner/name[@revision]`, or the absolute folder.
        version: the version of a registered model, else None.
        notice: what the user should know about it: that it stands in for another; else empty.
    """

    folder: Path
    name: str
    version: int | None = None
    notice: str = ""


def resolve(
    spec: str,
    registry: Registry,
    *,
    allow_external: bool = True,
    checks_folder: bool = True,
    is_base: bool = False,
    downloads: bool = True,
) -> ResolvedModel:
    """Find the folder that `spec` means, and download it from the hub if necessary.

    In this order: `hf://owner/name[@revision]`; a path (with a `/`, or starting with `.` or `~`), relative to the
    working directory; a registered `name` or `name@version`; a built-in name; a folder of that name in the working
    directory. The case of names does not matter. A folder never hides a model of the same name: to use the folder,
    write `./name`.

    Args:
        spec: what the user wrote after USING.
        registry: the models on disk.
        allow_external: False if the database may not read files: then only registered models are allowed, and built-in
            ones that ship with the package or are in the hub's local cache.
        checks_folder: False where a model is loaded next, which checks the files of a user's own folder itself.
        is_base: True where BUILD starts from it: then it may be a pretrained encoder, without a vocabulary.
        downloads: False to raise `HubUnavailableError` for what would have to be downloaded.

    Raises:
        ModelError: there is no such model, it cannot be downloaded, or it is not a usable checkpoint; with the remedy.
    """
    if spec.startswith("hf://"):
        _check_external(spec, allow_external)
        return _from_hub_address(spec, is_base, None if downloads else NO_DOWNLOAD)
    check = None if not checks_folder else check_base if is_base else check_checkpoint
    if is_path(spec):
        _check_external(spec, allow_external)
        return _from_folder(spec, check)
    if registered := _from_registry(spec, registry):
        return registered
    if model := find_built_in(spec):
        return _from_built_in(spec, model, allow_external, downloads)
    if allow_external and spec and os.path.isdir(spec):
        return _from_folder(spec, check)
    raise _unknown(spec, registry)


def check(spec: str, registry: Registry, *, allow_external: bool = True) -> None:
    """Refuse a `spec` that cannot mean any model, without using the network: what is on the hub is not looked up.

    Raises:
        ModelError: there is no such folder or name, the folder is not a usable checkpoint, or an address on the hub is
            not well formed.
    """
    if spec.startswith("hf://"):
        _hub_address(spec)
    elif not find_built_in(spec):
        resolve(spec, registry, allow_external=allow_external)


def folder_on_disk(spec: str, *, allow_external: bool = True) -> Path | None:
    """The folder of a built-in model or of `hf://owner/name`, if it is on this machine: nothing is downloaded.

    Raises:
        ModelError: the database may not use the hub, or it is no address on it.
    """
    if model := find_built_in(spec):
        if model.repo_id is None:
            return bundled.model_folder()
        return find_cached(model.repo_id, None)
    _check_external(spec, allow_external)
    address = _hub_address(spec)
    return find_cached(address["repo"], address["revision"])


def is_known(spec: str, registry: Registry) -> bool:
    """Whether `spec` is the name of a registered or built-in model, for which no other folder need be looked at."""
    if is_path(spec):
        return False
    entry = registry.find(spec)
    return not entry.is_language_model if entry is not None else find_built_in(spec) is not None


def local_folder(path: str) -> Path:
    """The absolute folder that a user's path means; `~` and relative paths are resolved."""
    return Path(path).expanduser().absolute()


def refuse_address(path: str, takes: str) -> None:
    """Refuse an address where a path is wanted.

    Args:
        path: what the user wrote.
        takes: what is wanted, as a clause such as `UPLOAD MODEL takes a folder`.

    Raises:
        ModelError: `path` is an address.
    """
    if not _ADDRESS.match(path):
        return
    remedy = "download it first"
    if path.startswith("hf://"):
        remedy = (
            f"PREDICT USING '{path}' uses a model of the Hugging Face hub, and GET THANOSQL MODEL '{path}' OPTIONS "
            f"(model_name='my_model') keeps one under a name of yours"
        )
    raise ModelError(f"{takes} on this machine, and '{path}' is an address: {remedy}")


def forget_outages() -> None:
    """Ask the hub again the next time it is needed, even if it could not be reached a moment ago."""
    _outages.clear()


def is_path(spec: str) -> bool:
    """Whether `spec` is the path of a folder, and not a name."""
    return spec.startswith((".", "~")) or "/" in spec or os.sep in spec


def _check_external(spec: str, allow_external: bool) -> None:
    if not allow_external:
        raise ModelError(
            f"this database may not read files or URLs (enable_external_access=false), so '{spec}' cannot be used; "
            f"name a model that is registered"
        )


def _hub_address(spec: str) -> re.Match[str]:
    address = _HUB_ADDRESS.fullmatch(spec)
    if address is None:
        raise ModelError(
            f"'{spec}' is not an address on the hub; write 'hf://owner/name' or 'hf://owner/name@revision'"
        )
    return address


def _from_hub_address(spec: str, is_base: bool, offline_reason: str | None) -> ResolvedModel:
    address = _hub_address(spec)
    folder = from_hub(spec, address["repo"], address["revision"], offline_reason=offline_reason, is_base=is_base)
    return ResolvedModel(folder, spec.rstrip("/"))


def _from_folder(spec: str, check: Callable[[Path], None] | None) -> ResolvedModel:
    refuse_address(spec, "a model is a name, 'hf://owner/name', or a folder")
    folder = local_folder(spec)
    if not os.path.exists(folder):
        if "whisper" in spec.casefold():
            raise _no_whisper(f"there is no model folder {folder}")
        hint = f" For the model of that name on the Hugging Face hub write 'hf://{spec}'."
        raise ModelError(f"there is no model folder {folder}.{hint if _LIKE_A_HUB_NAME.fullmatch(spec) else ''}")
    if check is not None:
        check(folder)
    return ResolvedModel(folder, str(folder))


def _from_registry(spec: str, registry: Registry) -> ResolvedModel | None:
    if entry := registry.find(spec):
        if entry.is_language_model:
            raise _is_a_language_model(spec)
        return ResolvedModel(entry.path, entry.name, entry.version)
    name, version = split_version(spec)
    if versions := registry.versions(name):
        raise ModelError(f"the model '{name}' has no version {version}; it has {', '.join(map(str, versions))}")
    return None


def _from_built_in(spec: str, model: BuiltInModel, allow_external: bool, downloads: bool) -> ResolvedModel:
    name = model.names[0]
    offline_reason = NO_EXTERNAL_ACCESS if not allow_external else None if downloads else NO_DOWNLOAD
    if model.repo_id is None:
        return ResolvedModel(bundled.model_folder(), name)
    if spec.casefold() != TUTORIAL_MODEL.casefold() or not bundled.has_model():
        return ResolvedModel(from_hub(spec, model.repo_id, None, offline_reason=offline_reason), name)
    with _hub_lock:
        outage = None if offline_reason == NO_EXTERNAL_ACCESS else _outages.get(model.repo_id)
        known = outage or offline_reason
        try:
            return ResolvedModel(from_hub(spec, model.repo_id, None, offline_reason=known), name)
        except HubUnavailableError as error:
            if known == NO_DOWNLOAD:
                raise
            if known is None:
                _outages[model.repo_id] = error.why
            return _stand_in(spec, model.repo_id, error.why)


def _stand_in(spec: str, repo_id: str, why: str) -> ResolvedModel:
    """The small model in place of the tutorial's, so that the tutorial runs without the hub."""
    return ResolvedModel(
        bundled.model_folder(),
        bundled.MODEL,
        notice=(
            f"'{spec}' is {repo_id}, which is not in the local cache, and the Hugging Face hub cannot be used: {why}. "
            f"The small model '{bundled.MODEL}' of this package stands in for it. It is meant for trying things out: "
            f"expect one wrong word in ten in clear, read English, and far more in other speech"
        ),
    )


def _is_a_language_model(spec: str) -> ModelError:
    return ModelError(
        f"'{spec}' is a language model, which does not transcribe: name an acoustic model, and write OPTIONS "
        f"(language_model='{spec}')"
    )


def _no_whisper(problem: str) -> ModelError:
    return ModelError(
        f"{problem}, and Whisper is not supported: use a CTC model, such as 'hf://facebook/wav2vec2-base-960h'"
    )


def _unknown(spec: str, registry: Registry) -> ModelError:
    name = spec if len(spec) <= 100 else f"{spec[:97]}..."
    if not is_name(split_version(spec)[0]):
        return ModelError(f"'{name}' is neither the name of a model nor a folder")
    if spec.casefold() == LANGUAGE_MODEL:
        return _is_a_language_model(spec)
    if advice := advice_on(spec):
        return ModelError(f"there is no built-in model '{name}', {advice}")
    if "whisper" in spec.casefold():
        return _no_whisper(f"there is no model '{name}'")
    language = _OF_A_LANGUAGE.fullmatch(spec)
    if language is not None and language["code"].casefold() in _OTHER_LANGUAGES.split():
        return ModelError(
            f"there is no built-in model '{name}': those that are built in are for English."
            f"{did_you_mean(spec, registry.names())} For another language write the address of a CTC model on the "
            f"Hugging Face hub, 'hf://owner/name', or make one from your own recordings with BUILD MODEL"
        )
    known = registry.names() + [name for model in BUILT_IN_MODELS for name in model.names]
    return ModelError(
        f"there is no model '{name}'.{did_you_mean(spec, known)} LIST THANOSQL MODEL shows all names; a folder is "
        f"written './folder', a model on the Hugging Face hub 'hf://owner/name'"
    )
