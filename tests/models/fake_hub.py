"""A hub on this machine, for its real client, and its cache as the client lays it out."""

from __future__ import annotations

import hashlib
import http.server
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from thano_duckdb.models.converted_weights import CONVERTER, TITLE

SHA = "22aad52d435eb6dbaf354bdad9b0da84ce7d6156"


def put_in_cache(cache: Path, repo_id: str, checkpoint: Path, sha: str = SHA, revision: str = "main") -> Path:
    """Write a repository as the client of the hub does: blobs by hash, snapshots as links, refs by name."""
    folder = cache / f"models--{repo_id.replace('/', '--')}"
    snapshot = folder / "snapshots" / sha
    for made in (folder / "blobs", snapshot, folder / "refs"):
        made.mkdir(parents=True, exist_ok=True)
    for path in checkpoint.iterdir():
        blob = folder / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        blob.write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(Path("..", "..", "blobs", blob.name))
    (folder / "refs" / revision).write_text(sha)
    return snapshot


@dataclass(frozen=True)
class PullRequest:
    """An offer to change a repository."""

    number: int
    folder: Path
    author: str = CONVERTER
    title: str = TITLE
    status: str = "open"

    @property
    def sha(self) -> str:
        """Of its commit."""
        return f"{self.number:040x}"

    def discussion(self) -> dict[str, object]:
        """As the hub lists it."""
        return {
            "num": self.number,
            "title": self.title,
            "status": self.status,
            "isPullRequest": True,
            "author": {"name": self.author},
        }


class FakeHub(http.server.BaseHTTPRequestHandler):
    """The part of the hub's interface that is used to download a model."""

    protocol_version = "HTTP/1.1"
    repositories: ClassVar[dict[str, Path]] = {}
    pull_requests: ClassVar[dict[str, list[PullRequest]]] = {}
    requested: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._serve(with_content=False)

    def do_GET(self) -> None:
        self._serve(with_content=True)

    def _serve(self, *, with_content: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.requested.append(path)
        for repo_id, folder in self.repositories.items():
            offers = self.pull_requests.get(repo_id, [])
            if path == f"/api/models/{repo_id}/discussions":
                listed = [offer.discussion() for offer in offers]
                return self._json({"discussions": listed, "count": len(listed), "start": 0}, with_content)
            revisions = [("main", SHA, folder), *((f"refs/pr/{each.number}", each.sha, each.folder) for each in offers)]
            for revision, sha, files in revisions:
                if self._serve_revision(path, repo_id, (revision, sha, files), with_content):
                    return None
            if path.startswith(f"/api/models/{repo_id}/revision/"):
                return self._answer(404, b"{}", with_content, {"X-Error-Code": "RevisionNotFound"})
        return self._answer(404, b"{}", with_content, {"X-Error-Code": "RepoNotFound"})

    def _serve_revision(self, path: str, repo_id: str, of: tuple[str, str, Path], with_content: bool) -> bool:
        """Answer a request for one revision, if it is one."""
        revision, sha, folder = of
        about = {f"/api/models/{repo_id}/revision/{name}" for name in (revision, sha)}
        if path in about or (revision == "main" and path == f"/api/models/{repo_id}"):
            siblings = [{"rfilename": name, "blobId": self._hash(folder / name)} for name in self._names(folder)]
            config = json.loads((folder / "config.json").read_text())
            described = {name: config[name] for name in ("architectures", "model_type") if name in config}
            self._json({"id": repo_id, "sha": sha, "siblings": siblings, "config": described}, with_content)
        elif path == f"/api/models/{repo_id}/tree/{sha}":
            files = [
                {"type": "file", "path": name, "size": (folder / name).stat().st_size, "oid": self._hash(folder / name)}
                for name in self._names(folder)
            ]
            self._json(files, with_content)
        elif path.startswith(prefix := f"/{repo_id}/resolve/{sha}/") and (folder / path.removeprefix(prefix)).is_file():
            file = folder / path.removeprefix(prefix)
            headers = {"ETag": f'"{self._hash(file)}"', "X-Repo-Commit": sha}
            self._answer(200, file.read_bytes(), with_content, headers)
        elif path.startswith(prefix):
            self._answer(404, b"{}", with_content, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        else:
            return False
        return True

    @staticmethod
    def _names(folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    @staticmethod
    def _hash(path: Path) -> str:
        return hashlib.sha1(path.read_bytes()).hexdigest()

    def _json(self, value: object, with_content: bool) -> None:
        self._answer(200, json.dumps(value).encode(), with_content, {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, with_content: bool, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
