"""Which folder a model's name means: a folder, a name in the registry, a built-in name, or a model on the hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from thano_duckdb.checkpoint import check_checkpoint
from thano_duckdb.errors import ModelError, did_you_mean
from thano_duckdb.model_names import is_name, split_version
from thano_duckdb.registry import Registry

# The client itself waits for ever on a network that swallows packets.
HUB_TIMEOUT_S = 10

# What is fetched of a repository: no pickles, nothing in folders (training checkpoints), no adapters of languages.
_WANTED = ["*.json", "*.safetensors", "*.txt"]
_UNWANTED = ["*/*", "adapter.*.safetensors"]

_HUB_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?/?")
_LIKE_A_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")

_COMING = "Wav2Vec2TinyEn"


@dataclass(frozen=True)
class BuiltIn:
    """A model that has a name of ours.

    Attributes:
        names: all it goes by, in any case; the first is the one to show.
        repo_id: `owner/name` on the hub.
        description: one line.
    """

    names: tuple[str, ...]
    repo_id: str
    description: str


BUILT_IN = (
    BuiltIn(
        ("Wav2Vec2En", "tutorial_audio_recognition", "wav2vec2"),
        "facebook/wav2vec2-base-960h",
        "Wav2Vec2 base for English, trained on 960 hours of LibriSpeech",
    ),
    BuiltIn(
        ("Wav2Vec2LargeEn",),
        "facebook/wav2vec2-large-960h-lv60-self",
        "Wav2Vec2 large for English, trained on Libri-Light and 960 hours of LibriSpeech",
    ),
)


@dataclass(frozen=True)
class ResolvedModel:
    """A model on this machine.

    Attributes:
        folder: in Hugging Face format.
        name: the registered or built-in name, `hf://owner/name[@revision]`, or the absolute folder.
        version: of a registered model, else None.
    """

    folder: Path
    name: str
    version: int | None = None


def resolve(spec: str, registry: Registry, *, allow_external: bool = True) -> ResolvedModel:
    """The folder that `spec` means, fetched from the hub if it must be.

    In this order: `hf://owner/name[@revision]`; a path (with a `/`, or starting with `.` or `~`), relative to the
    working directory; a registered `name` or `name@version`; a built-in name; a folder of that name in the working
    directory. Names are found in any case. A folder never hides a model of the same name: for it write `./name`.

    Args:
        spec: what stands after USING.
        registry: the models on disk.
        allow_external: False where the database may not read files: then only registered models, and built-in ones
            that are in the hub's local cache.

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
        return ResolvedModel(_from_hub(spec, address["repo"], address["revision"]), spec.rstrip("/"))
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
        return ResolvedModel(_from_hub(spec, model.repo_id, None, may_download=allow_external), model.names[0])
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
    if spec.casefold() == _COMING.casefold():
        return ModelError(
            f"the weights of '{_COMING}' come with a later version of this package; until then use "
            f"'{BUILT_IN[0].names[0]}', a folder, or hf://owner/name, or BUILD from its shape with from_scratch=True"
        )
    known = sorted({entry.name for entry in registry.entries()}) + [name for model in BUILT_IN for name in model.names]
    if not is_name(split_version(spec)[0]):
        return ModelError(f"'{spec}' is neither the name of a model nor a folder")
    return ModelError(
        f"there is no model '{spec}'.{did_you_mean(spec, known)} LIST THANOSQL MODEL shows all names; a folder is "
        f"written './folder', a model on the Hugging Face hub 'hf://owner/name'"
    )


def _from_hub(shown: str, repo_id: str, revision: str | None, *, may_download: bool = True) -> Path:
    """The snapshot of a repository in the hub's local cache: as it is there, else downloaded into it."""
    # Imported here: the client takes a fifth of a second.
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = _snapshot(repo_id, revision, local_files_only=True)
        check_checkpoint(folder)
    except HFValidationError as error:
        raise ModelError(f"'{shown}' is not an address on the hub: {error}") from error
    except (LocalEntryNotFoundError, ModelError) as error:  # not there, or only a part: tokenizer without weights
        if not may_download:
            raise _not_to_be_had(shown, repo_id, "this database may not (enable_external_access=false)") from error
        return _download(shown, repo_id, revision)
    return folder


def _download(shown: str, repo_id: str, revision: str | None) -> Path:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        info = HfApi().model_info(repo_id, revision=revision, timeout=HUB_TIMEOUT_S)
        files = [sibling.rfilename for sibling in info.siblings or []]
        if not any(name.endswith(".safetensors") and "/" not in name for name in files):
            raise ModelError(
                f"'{shown}': {repo_id} has no safetensors on the hub, and pickled weights are never loaded; choose "
                f"another model or revision ('hf://{repo_id}@revision'), or convert it and give the folder"
            )
        folder = _snapshot(repo_id, revision, local_files_only=False)
    except RevisionNotFoundError as error:
        raise ModelError(f"'{shown}': {repo_id} has no revision '{revision}' on the hub") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"'{shown}': there is no model {repo_id} on the hub, or it is private or gated; for the latter log in "
            f"with `hf auth login` or set HF_TOKEN"
        ) from error
    except OfflineModeIsEnabled as error:
        raise _not_to_be_had(shown, repo_id, "HF_HUB_OFFLINE is set") from error
    except HfHubHTTPError as error:
        raise _not_to_be_had(shown, repo_id, f"it answered HTTP {error.response.status_code}") from error
    except Exception as error:
        if isinstance(error, ModelError):
            raise
        # The client's transport has an exception tree of its own; files can fail as well (no space, no permission).
        raise _not_to_be_had(shown, repo_id, " ".join(str(error).split()) or type(error).__name__) from error
    check_checkpoint(folder)
    return folder


def _snapshot(repo_id: str, revision: str | None, *, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            repo_id,
            revision=revision,
            local_files_only=local_files_only,
            allow_patterns=_WANTED,
            ignore_patterns=_UNWANTED,
        )
    )


def _not_to_be_had(shown: str, repo_id: str, why: str) -> ModelError:
    """The three ways to a model that is not here."""
    from huggingface_hub import constants

    return ModelError(
        f"the model '{shown}' ({repo_id}) is not in the local cache {constants.HF_HUB_CACHE}, and the Hugging Face hub "
        f"cannot be used: {why}. Three ways: (1) connect once, and it is downloaded by itself or by `hf download "
        f"{repo_id}` (HF_HOME or HF_HUB_CACHE name the cache); (2) copy its folder to this machine and write PREDICT "
        f"USING '/path/to/folder'; (3) register that folder: UPLOAD MODEL my_model FROM '/path/to/folder'"
    )
