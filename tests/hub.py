"""The Hugging Face hub on the loopback interface: repositories, commits, large files, a login.

It speaks what `huggingface_hub` 2.4 asks for, with large files as Git LFS does, not by Xet.
"""

import base64
import dataclasses
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

import yaml

TOKEN = "hf_goodtoken"
LARGE = (".keras",)  # What .gitattributes of the hub names.


@dataclasses.dataclass
class Commit:
    """One commit: its files by name, who came before, and what was said."""

    files: dict[str, bytes]
    parent: str | None = None
    message: str = "initial commit"

    @property
    def sha(self) -> str:
        """Of everything in it, 40 digits as Git's."""
        files = sorted(
            (name, hashlib.sha256(data).hexdigest()) for name, data in self.files.items()
        )
        return hashlib.sha1(repr((files, self.parent, self.message)).encode()).hexdigest()


class Repository:
    """Branches of commits, which are never lost."""

    def __init__(self, private: bool = False) -> None:
        self.private = private
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.add("main", Commit({".gitattributes": b"*.keras filter=lfs\n"}))

    def add(self, branch: str, commit: Commit) -> str:
        self.commits[commit.sha] = commit
        self.branches[branch] = commit.sha
        return commit.sha

    def at(self, revision: str) -> Commit | None:
        return self.commits.get(self.branches.get(revision, revision))


class Hub:
    """Serves `repositories`, and notes the `requests`; used in a `with` statement.

    Attributes:
        answer: a status that every request gets instead, with a body that repeats its login.
        basic: what `Authorization` must say instead of the token, or `None`.
        left: how many requests come before that.
    """

    def __init__(self) -> None:
        self.answer: int | None = None
        self.basic: str | None = None
        self.left = 0
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}  # Large files by sha256.
        self.requests: list[tuple[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def files(self, repository: str, revision: str = "main") -> dict[str, bytes]:
        """The files of a revision."""
        return self.repositories[repository].at(revision).files

    def fetched(self) -> list[str]:
        """Names of the files whose contents were asked for, in order."""
        found = (
            re.search(r"/resolve/\w+/(.+)", path) for verb, path in self.requests if verb == "GET"
        )
        return [match[1] for match in found if match]

    def __enter__(self) -> "Hub":
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # `server_close` waits for them, so that no socket stays open.
    hub: Hub


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 10
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._route("GET")

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def _route(self, verb: str) -> None:
        hub, body = self.server.hub, self._body()
        path = self.path.partition("?")[0]
        hub.requests.append((self.command, path))
        login = self.headers.get("Authorization", "")
        hub.left -= 1
        if hub.answer and hub.left < 0:
            return self._json({"error": f"refused to {login}"}, hub.answer)
        if hub.basic and login != hub.basic and verb != "PUT":  # Whose address is signed.
            return self._json({"error": f"no login but {login}"}, 401)
        if not hub.basic and login and login != f"Bearer {TOKEN}":
            return self._json({"error": "Invalid credentials in Authorization header"}, 401)
        for method, pattern, action in _ROUTES:
            if method == verb and (match := re.fullmatch(pattern, path)):
                return action(self, body, *map(urllib.parse.unquote, match.groups()))
        return self._json({"error": f"no route {verb} {path}"}, 404)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _may_write(self) -> bool:
        if self.headers.get("Authorization"):
            return True
        self._json({"error": "Invalid username or password."}, 401)
        return False

    def _find(self, name: str, revision: str = "main") -> tuple[Repository, Commit] | None:
        """A repository and a commit; answers itself where there is none, or none for this login."""
        repository = self.server.hub.repositories.get(name)
        if repository is None or (repository.private and not self.headers.get("Authorization")):
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return None
        commit = repository.at(revision)
        if commit is None:
            self._json({"error": "no revision"}, 404, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository, commit

    def info(self, body: bytes, name: str, revision: str = "main") -> None:
        if found := self._find(name, revision):
            repository, commit = found
            siblings = []
            for file, data in commit.files.items():
                told = _told(file, data)
                row = {"rfilename": file, "size": told["size"], "blobId": told["oid"]}
                if "lfs" in told:
                    row["lfs"] = {"sha256": told["lfs"]["oid"], "size": len(data), "pointerSize": 1}
                siblings.append(row)
            self._json(
                {
                    **{"id": name, "modelId": name, "sha": commit.sha, "tags": []},
                    **{"private": repository.private, "siblings": siblings},
                }
            )

    def tree(self, body: bytes, name: str, revision: str) -> None:
        if found := self._find(name, revision):
            self._json([_told(*file) for file in found[1].files.items()])

    def create(self, body: bytes) -> None:
        if self._may_write():
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            private = asked.get("visibility") == "private" or asked.get("private", False)
            self.server.hub.repositories[name] = Repository(private)
            self._json({"url": f"{self.server.hub.url}/{name}"})

    def branch(self, body: bytes, name: str, branch: str) -> None:
        if self._may_write() and (found := self._find(name)):
            repository, commit = found
            repository.branches[branch] = commit.sha
            self._json({})

    def validate(self, body: bytes) -> None:
        content = json.loads(body)["content"]
        data = yaml.safe_load(content.split("---\n")[1])
        errors = [] if isinstance(data, dict) else [{"message": "no front matter"}]
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self._may_write() and (found := self._find(name, revision)):
            rows = []
            for file in json.loads(body)["files"]:
                mode = "lfs" if file["path"].endswith(LARGE) else "regular"
                row = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
                if data := found[1].files.get(file["path"]):
                    told = _told(file["path"], data)
                    row["oid"] = told.get("lfs", told)["oid"]
                rows.append(row)
            self._json({"files": rows})

    def batch(self, body: bytes, name: str) -> None:
        if self._may_write():
            rows = []
            for one in json.loads(body)["objects"]:
                row = {"oid": one["oid"], "size": one["size"]}
                if one["oid"] not in self.server.hub.stored:
                    row["actions"] = {"upload": {"href": f"{self.server.hub.url}/lfs/{one['oid']}"}}
                rows.append(row)
            self._json({"transfer": "basic", "objects": rows})

    def store(self, body: bytes, oid: str) -> None:
        right = hashlib.sha256(body).hexdigest() == oid
        if right:
            self.server.hub.stored[oid] = body
        self._json({}, 200 if right else 400)

    def commit(self, body: bytes, name: str, branch: str) -> None:
        if not self._may_write() or not (found := self._find(name, branch)):
            return
        repository, before = found
        rows = [json.loads(line) for line in body.splitlines()]
        header = rows[0]["value"]
        if header.get("parentCommit", before.sha) != before.sha:
            self._json({"error": "a commit has happened since"}, 412)
            return
        files = dict(before.files)
        for row in rows[1:]:
            value = row["value"]
            if row["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.server.hub.stored[value["oid"]]
        sha = repository.add(branch, Commit(files, before.sha, header["summary"]))
        self._json({"commitOid": sha, "commitUrl": f"{self.server.hub.url}/{name}/commit/{sha}"})

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> None:
        if found := self._find(name, revision):
            data = found[1].files[file]
            headers = {"X-Repo-Commit": found[1].sha, "ETag": f'"{_told(file, data)["oid"]}"'}
            if file.endswith(LARGE):
                headers["X-Linked-Etag"] = f'"{hashlib.sha256(data).hexdigest()}"'
                headers["X-Linked-Size"] = str(len(data))
            self._send(data, 200, headers)

    def _json(self, content, status: int = 200, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json"}
        self._send(json.dumps(content).encode(), status, kind | (headers or {}))

    def _send(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        whole = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
        for name, value in whole.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Nothing on stderr."""


def _told(name: str, data: bytes) -> dict:
    """What the hub tells of a file."""
    git = hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()
    row = {"type": "file", "path": name, "size": len(data), "oid": git}
    if name.endswith(LARGE):
        row["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1}
    return row


_NAME = r"([^/]+/[^/]+)"
_ROUTES = (
    ("GET", rf"/api/models/{_NAME}", _Handler.info),
    ("GET", rf"/api/models/{_NAME}/revision/([^/]+)", _Handler.info),
    ("GET", rf"/api/models/{_NAME}/tree/([^/]+)", _Handler.tree),
    ("GET", rf"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", rf"/api/models/{_NAME}/branch/([^/]+)", _Handler.branch),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("POST", rf"/api/models/{_NAME}/preupload/([^/]+)", _Handler.preupload),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/lfs/(\w+)", _Handler.store),
    ("POST", rf"/api/models/{_NAME}/commit/([^/]+)", _Handler.commit),
)
