"""Models from the Hugging Face hub: taken from its local cache, or downloaded into it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from thano_duckdb.errors import HubUnavailableError, ModelError

from .adapters import adapter_file, chosen_language, needs_adapter
from .bundled import MODEL, has_model
from .checkpoint import ADAPTER_FILES, check_base, check_checkpoint, describes_head
from .converted_weights import cached_revision, converted_revision, has_safetensors, remember

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

# On a network that drops packets silently the client itself would wait for ever.
HUB_TIMEOUT_S = 10
NO_EXTERNAL_ACCESS = "this database may not use it (enable_external_access=false)"
"""Why a database in a sandbox downloads nothing; no other folder is open to it either."""

# What is downloaded from a repository: no pickles, nothing in folders (training checkpoints), no language adapters.
_WANTED = ["*.json", "*.safetensors", "*.txt"]
_UNWANTED = ["*/*", ADAPTER_FILES]


def from_hub(
    spec: str, repo_id: str, revision: str | None, *, offline_reason: str | None = None, is_base: bool = False
) -> Path:
    """The snapshot of a repository in the hub's local cache, downloaded if it is not there yet.

    Args:
        spec: the name of the model as the user wrote it.
        repo_id: `owner/name`.
        revision: branch, tag or commit; None for the newest.
        offline_reason: why nothing may be downloaded; None if downloads are allowed.
        is_base: whether BUILD starts from it: then it may be a pretrained encoder, without a vocabulary.

    Raises:
        HubUnavailableError: it is not in the cache, and cannot be downloaded now.
        ModelError: the hub does not have it, or what it has is not a usable checkpoint.
    """
    # Imported here: the client takes a fifth of a second.
    from huggingface_hub.errors import HFValidationError

    check = check_base if is_base else check_checkpoint
    try:
        if folder := _cached(repo_id, revision, check):
            return folder
    except HFValidationError as error:
        raise ModelError(f"'{spec}' is not an address on the hub: {error}") from error
    if offline_reason is not None:
        raise _unavailable(spec, repo_id, offline_reason)
    return _download(spec, repo_id, revision, check)


def find_cached(repo_id: str, revision: str | None) -> Path | None:
    """The usable snapshot of a repository in the hub's local cache, without a network; None where there is none.

    Raises:
        ModelError: `repo_id` is no name of a repository.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        return _cached(repo_id, revision, check_base)
    except HFValidationError as error:
        raise ModelError(f"'{repo_id}' is not an address on the hub: {error}") from error


def _cached(repo_id: str, revision: str | None, check: Callable[[Path], None]) -> Path | None:
    """The usable snapshot in the cache; None where it is missing or incomplete, such as a tokenizer without weights."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    for each in dict.fromkeys((revision, cached_revision(revision) or revision)):
        with contextlib.suppress(LocalEntryNotFoundError, ModelError):
            folder = _snapshot(repo_id, each, local_files_only=True)
            check(folder)
            return folder
    return None


def is_snapshot(folder: Path) -> bool:
    """Whether a folder of a model is in the hub's cache, to which files that it lacks can be downloaded."""
    return folder.parent.name == "snapshots"


def fetch_language(spec: str, folder: Path, language: str | None) -> None:
    """Download the weights of a language, and no others, to a snapshot of the hub's cache that lacks them.

    Args:
        spec: the name of the model as the user wrote it.
        folder: of a model; nothing happens where it is no snapshot, or has all that the language needs.
        language: as the user wrote it; None for the default of the model.

    Raises:
        LanguageError: the model has languages, and not this one.
        HubUnavailableError: they are not in the cache, and cannot be downloaded now.
        ModelError: the hub does not have them, or the model has no languages.
    """
    if not is_snapshot(folder):
        return
    language = chosen_language(folder, language)
    if language is None or not needs_adapter(folder, language):
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    repo_id = folder.parents[1].name.removeprefix("models--").replace("--", "/")
    file = adapter_file(folder, language).name
    try:
        with _hub_errors(spec, repo_id, None):
            try:  # without a network this fails at once, and the download after 23 s of retries, without the reason
                get_hf_file_metadata(hf_hub_url(repo_id, file, revision=folder.name), timeout=HUB_TIMEOUT_S)
            except EntryNotFoundError as error:
                raise ModelError(
                    f"'{spec}': {repo_id} has no {file}, the weights of '{language}', on the hub"
                ) from error
            hf_hub_download(repo_id, file, revision=folder.name, etag_timeout=HUB_TIMEOUT_S)
    except HubUnavailableError as error:
        raise HubUnavailableError(
            f"the language '{language}' of the model '{spec}' is not in the local cache, and the Hugging Face hub "
            f"cannot be used: {error.why}. With a network, `hf download {repo_id} {file}` gets it",
            error.why,
        ) from error


def _download(spec: str, repo_id: str, revision: str | None, check: Callable[[Path], None]) -> Path:
    from huggingface_hub import HfApi

    with _hub_errors(spec, repo_id, revision):
        info = HfApi().model_info(repo_id, revision=revision, timeout=HUB_TIMEOUT_S, files_metadata=True)
        if has_safetensors(info):
            folder = _snapshot(repo_id, revision, local_files_only=False)
        else:
            folder = _download_converted(spec, repo_id, revision, info)
    check(folder)
    return folder


@contextlib.contextmanager
def _hub_errors(spec: str, repo_id: str, revision: str | None) -> Iterator[None]:
    """Turn the errors of the hub's client into ours."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except RevisionNotFoundError as error:
        raise ModelError(f"'{spec}': {repo_id} has no revision '{revision}' on the hub") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"'{spec}': there is no model {repo_id} on the hub, or it is private or gated; for the latter log in "
            f"with `hf auth login` or set HF_TOKEN"
        ) from error
    except OfflineModeIsEnabled as error:
        raise _unavailable(spec, repo_id, "HF_HUB_OFFLINE is set") from error
    except HfHubHTTPError as error:
        raise _unavailable(spec, repo_id, f"it answered HTTP {error.response.status_code}") from error
    except Exception as error:
        if isinstance(error, ModelError):
            raise
        # The client's transport has an exception tree of its own; files can fail as well (no space, no permission).
        raise _unavailable(spec, repo_id, " ".join(str(error).split()) or type(error).__name__) from error


def _download_converted(spec: str, repo_id: str, revision: str | None, info: ModelInfo) -> Path:
    """The snapshot of the converter's pull request, for a main branch that has only pickles."""
    if cached_revision(revision) and (converted := converted_revision(repo_id, info, HUB_TIMEOUT_S)):
        folder = _snapshot(repo_id, converted, local_files_only=False)
        remember(folder)
        return folder
    at = f", revision='{revision}'" if revision else ""
    # AutoModelForCTC would give an encoder random outputs, and an encoder has no tokenizer.
    network, rest = (
        ("AutoModelForCTC", "AutoProcessor") if describes_head(info.config) else ("AutoModel", "AutoFeatureExtractor")
    )
    raise ModelError(
        f"'{spec}': {repo_id} has no safetensors on the hub, nor has an open pull request of its converter, "
        f"made from its present files; pickled weights are never loaded. Choose another model or revision "
        f"('hf://{repo_id}@revision'), or convert it with transformers and name the folder: "
        f"{network}.from_pretrained('{repo_id}'{at}).save_pretrained('folder'), and the same with {rest}"
    )


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


def _unavailable(spec: str, repo_id: str, why: str) -> HubUnavailableError:
    """The error for a model that cannot be downloaded now, with what can be used in its place."""
    problem = f"the model '{spec}' ({repo_id}) is not in the local cache, and the Hugging Face hub cannot be used"
    online = "unset HF_HUB_OFFLINE" if "HF_HUB_OFFLINE" in why else f"download it once with `hf download {repo_id}`"
    offline = [f"the small English model of this package, USING {MODEL}"] if has_model() else []
    if why == NO_EXTERNAL_ACCESS:
        offline.append("a model of your own (LIST MODEL)")
        otherwise = "without it"
    else:
        offline.append("a copy of a model's folder, USING '/path/to/folder'")
        otherwise = "without a network"
    return HubUnavailableError(
        f"{problem}: {why}. To get the model, {online}; {otherwise}, use {', or '.join(offline)}",
        why,
    )
