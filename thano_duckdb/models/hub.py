"""Models from the Hugging Face hub: taken from its local cache, or downloaded into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from thano_duckdb.errors import HubUnavailableError, ModelError

from .bundled import MODEL, has_model
from .checkpoint import check_base, check_checkpoint

# On a network that drops packets silently the client itself would wait for ever.
HUB_TIMEOUT_S = 10
NO_EXTERNAL_ACCESS = "this database may not use it (enable_external_access=false)"
"""Why a database in a sandbox downloads nothing; no other folder is open to it either."""

# What is downloaded from a repository: no pickles, nothing in folders (training checkpoints), no language adapters.
_WANTED = ["*.json", "*.safetensors", "*.txt"]
_UNWANTED = ["*/*", "adapter.*.safetensors"]


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
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    check = check_base if is_base else check_checkpoint
    try:
        folder = _snapshot(repo_id, revision, local_files_only=True)
        check(folder)
    except HFValidationError as error:
        raise ModelError(f"'{spec}' is not an address on the hub: {error}") from error
    except (LocalEntryNotFoundError, ModelError) as error:  # missing or incomplete, such as a tokenizer without weights
        if offline_reason is not None:
            raise _unavailable(spec, repo_id, offline_reason) from error
        return _download(spec, repo_id, revision, check)
    return folder


def _download(spec: str, repo_id: str, revision: str | None, check: Callable[[Path], None]) -> Path:
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
                f"'{spec}': {repo_id} has no safetensors on the hub, and pickled weights are never loaded; choose "
                f"another model or revision ('hf://{repo_id}@revision'), or convert it and give the folder"
            )
        folder = _snapshot(repo_id, revision, local_files_only=False)
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
    check(folder)
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
