"""Safetensors that the hub's converter offers in a pull request, for repositories that have only pickles.

transformers takes the weights from there too (its `auto_conversion`). Unlike it, nothing is asked to be converted.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoint import ADAPTER_FILES

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

CONVERTER = "SFconvertbot"
"""The hub's own account. Anybody can open a pull request, with any weights."""
TITLE = "Adding `safetensors` variant of this model"
_NO_DISCUSSIONS = (403, 404, 410)
"""How the hub answers where the owner of a repository allows none."""
MAX_OFFERS = 3
"""Pull requests that are looked at, the newest first."""
_CACHE_REF = "thano/safetensors"
"""In the hub's cache, the branch that points to the snapshot with converted weights, so that it is found offline."""


def has_safetensors(info: ModelInfo) -> bool:
    """Whether a revision has weights that are no pickle."""
    return any(name.endswith(".safetensors") and not fnmatch(name, ADAPTER_FILES) for name in _blobs(info))


def converted_revision(repo_id: str, info: ModelInfo, timeout_s: float) -> str | None:
    """The pull request of the converter, such as `refs/pr/3`; None where there is none that fits.

    It fits if it was made from the files that are on the main branch now: a vocabulary that was mended later need not
    go with old weights.

    Args:
        repo_id: `owner/name`.
        info: its main branch, with the hashes of its files.
        timeout_s: for each of the few requests.

    Raises:
        HfHubHTTPError: the hub refuses to answer.
    """
    from huggingface_hub import HfApi

    needed = {item for item in _blobs(info).items() if item[0].endswith((".json", ".txt", ".bin"))}
    for number in _offers(repo_id, timeout_s)[:MAX_OFFERS]:
        revision = f"refs/pr/{number}"
        offered = HfApi().model_info(repo_id, revision=revision, timeout=timeout_s, files_metadata=True)
        if has_safetensors(offered) and needed <= _blobs(offered).items():
            return revision
    return None


def remember(snapshot: Path) -> None:
    """Let `cached_revision` find a snapshot of a pull request in the hub's cache."""
    ref = snapshot.parents[1] / "refs" / _CACHE_REF
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(snapshot.name, encoding="utf-8")


def cached_revision(revision: str | None) -> str | None:
    """The revision under which the hub's cache has the converted weights of a main branch; None for any other."""
    return _CACHE_REF if revision in (None, "main") else None


def _offers(repo_id: str, timeout_s: float) -> list[int]:
    """The numbers of the open pull requests of the converter, the newest first."""
    from huggingface_hub import constants, get_session, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    answer = get_session().get(
        f"{constants.ENDPOINT}/api/models/{repo_id}/discussions",
        params={"type": "pull_request", "status": "open", "author": CONVERTER},
        headers=build_hf_headers(),
        timeout=timeout_s,
    )
    if answer.status_code in _NO_DISCUSSIONS:
        return []
    hf_raise_for_status(answer)
    found = (each for each in answer.json()["discussions"] if _is_offer(each))
    return sorted((each["num"] for each in found), reverse=True)


def _is_offer(discussion: dict[str, Any]) -> bool:
    return (
        discussion["isPullRequest"]
        and discussion["status"] == "open"
        and discussion["title"] == TITLE
        and (discussion.get("author") or {}).get("name") == CONVERTER
    )


def _blobs(info: ModelInfo) -> dict[str, str | None]:
    """The files of a revision, nothing in folders, with the hashes of their contents."""
    return {file.rfilename: file.blob_id for file in info.siblings or () if "/" not in file.rfilename}
