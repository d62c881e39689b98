import argparse
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dialtone.providers.local import models, unpacking
from dialtone.providers.local.model_catalog import CATALOG, find_model
from dialtone.providers.local.models import PullError, is_pulled, main_list, main_pull, pull

SMALL = find_model("stt-en-small")
assert SMALL is not None
VOICE = find_model("tts-en")
assert VOICE is not None
ASSET = f"/asr-models/{SMALL.archive}"
FILES = {name: name.encode() * 50 for name in SMALL.files}


def archive(files: dict[str, bytes], extra: tarfile.TarInfo | None = None) -> bytes:
    """A .tar.bz2 with `files` under one top folder, and one more member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"top/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if extra is not None:
            tar.addfile(extra)
    return buffer.getvalue()


class Release(ThreadingHTTPServer):
    """A release page: assets by path, ranges, and connections that break off after `cut_after` bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.assets: dict[str, bytes] = {}
        self.cut_after: int | None = None
        self.takes_ranges = True
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def publish(self, content: bytes, checksum_of: bytes | None = None) -> None:
        digest = hashlib.sha256(content if checksum_of is None else checksum_of).hexdigest()
        self.assets = {ASSET: content, "/asr-models/checksum.txt": f"other 12\n{SMALL.archive}\t{digest}\n".encode()}


class _Handler(BaseHTTPRequestHandler):
    server: Release

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        content = self.server.assets.get(self.path)
        if content is None:
            self.send_error(404)
            return
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.takes_ranges else 0
        if first and first >= len(content):
            self.send_error(416)
            return
        rest = content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        cut = self.server.cut_after if self.path.endswith(".bz2") else None
        self.wfile.write(rest if cut is None else rest[:cut])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def release() -> Iterator[Release]:
    server = Release()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def quiet(name: str, here: int, total: int | None) -> None:
    pass


def fetch(release: Release, data_dir: Path) -> list[str]:
    return pull([SMALL.name], data_dir, quiet, release.url)


def test_a_model_is_fetched_checked_unpacked_and_pinned(release: Release, tmp_path: Path) -> None:
    release.publish(archive({**FILES, "test_wavs/0.wav": b"unwanted", "README.md": b"read me"}))
    seen: list[tuple[str, int, int | None]] = []
    assert pull([SMALL.name], tmp_path, lambda *step: seen.append(step), release.url) == [SMALL.name]
    folder = tmp_path / "models" / SMALL.name
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {**FILES, "README.md": b"read me"}
    size = len(release.assets[ASSET])
    assert seen[-1] == (SMALL.name, size, size)
    assert is_pulled(SMALL, tmp_path)
    assert {path.name for path in (tmp_path / "models").iterdir()} == {SMALL.name, f"{SMALL.name}.sha256"}
    release.requests.clear()
    assert fetch(release, tmp_path) == []
    assert release.requests == []


def test_a_download_that_broke_off_goes_on_where_it_stopped(release: Release, tmp_path: Path) -> None:
    content = archive(FILES)
    release.publish(content)
    release.cut_after = 100
    with pytest.raises(PullError, match="broke off"):
        fetch(release, tmp_path)
    assert not is_pulled(SMALL, tmp_path)
    release.cut_after = None
    assert fetch(release, tmp_path) == [SMALL.name]
    assert release.requests[-1] == (ASSET, "bytes=100-")


def test_a_server_without_ranges_sends_all_again(release: Release, tmp_path: Path) -> None:
    release.publish(archive(FILES))
    release.cut_after = 100
    with pytest.raises(PullError):
        fetch(release, tmp_path)
    release.cut_after, release.takes_ranges = None, False
    assert fetch(release, tmp_path) == [SMALL.name]


def test_a_whole_download_that_was_not_unpacked_is_not_fetched_again(release: Release, tmp_path: Path) -> None:
    content = archive(FILES)
    release.publish(content)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{SMALL.archive}.part").write_bytes(content)
    assert fetch(release, tmp_path) == [SMALL.name]


def test_a_wrong_checksum_is_refused_and_deleted(release: Release, tmp_path: Path) -> None:
    release.publish(archive(FILES), checksum_of=b"something else")
    with pytest.raises(PullError, match="SHA-256"):
        fetch(release, tmp_path)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_pinned_at_first_use_may_not_change(release: Release, tmp_path: Path) -> None:
    release.publish(archive(FILES))
    fetch(release, tmp_path)
    (tmp_path / "models" / SMALL.name / SMALL.files[0]).unlink()
    release.publish(archive({**FILES, SMALL.files[0]: b"changed"}))
    with pytest.raises(PullError, match="not what was expected"):
        fetch(release, tmp_path)


def test_a_checksum_in_the_catalog_goes_before_the_published_one(release: Release, tmp_path: Path) -> None:
    content = archive(dict.fromkeys(("en_US-libritts_r-medium.onnx", "tokens.txt"), b"x"))
    digest = hashlib.sha256(content).hexdigest()
    release.assets = {
        f"/tts-models/{VOICE.archive}": content,
        "/tts-models/checksum.txt": f"{VOICE.archive} {digest}".encode(),
    }
    with pytest.raises(PullError, match=VOICE.sha256 or ""):
        pull([VOICE.name], tmp_path, quiet, release.url)


def test_an_archive_without_a_published_checksum_is_not_fetched(release: Release, tmp_path: Path) -> None:
    release.publish(archive(FILES))
    release.assets["/asr-models/checksum.txt"] = b"other.tar.bz2 " + b"a" * 64
    with pytest.raises(PullError, match="can't be checked"):
        fetch(release, tmp_path)


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive(FILES, tarfile.TarInfo("../outside.txt")), "leads out"),
        (archive(FILES, tarfile.TarInfo("top/../../outside.txt")), "leads out"),
        (archive(FILES, tarfile.TarInfo("/outside.txt")), "leads out"),
        (archive({}, link(f"top/{SMALL.files[0]}", "/etc/passwd")), "not a plain file"),
        (archive(FILES)[:-200], "can't be unpacked"),
        (b"this is no archive", "can't be unpacked"),
        (archive({"tokens.txt": b"x"}), "lacks encoder"),
    ],
)
def test_a_dangerous_or_damaged_archive_leaves_nothing(
    release: Release, tmp_path: Path, content: bytes, words: str
) -> None:
    release.publish(content)
    with pytest.raises(PullError, match=words):
        fetch(release, tmp_path / "data")
    assert not is_pulled(SMALL, tmp_path / "data")
    assert not list(tmp_path.rglob("outside.txt"))
    assert not list(tmp_path.rglob("*.unpacking"))


def test_an_archive_that_unpacks_to_too_much_is_refused(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 1000)
    release.publish(archive(FILES))
    with pytest.raises(PullError, match="more than 1000 bytes"):
        fetch(release, tmp_path)


def test_the_command_says_what_went_wrong(release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*names: str) -> int:
        return main_pull(argparse.Namespace(names=list(names), data_dir=tmp_path, base_url=release.url))

    assert run("nonsense") == 1
    assert "there is no model 'nonsense'" in capsys.readouterr().err
    assert run(SMALL.name) == 1
    assert "404" in capsys.readouterr().err
    release.publish(archive(FILES))
    assert run(SMALL.name) == 0
    assert f"Pulled {SMALL.name}." in capsys.readouterr().out


def test_the_list_shows_what_is_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in SMALL.files:
        path = tmp_path / "models" / SMALL.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert main_list(argparse.Namespace(data_dir=tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CATALOG)
    assert [line.split()[0] for line in lines if line.endswith("here)")] == [SMALL.name]


def test_only_web_addresses_are_fetched(tmp_path: Path) -> None:
    with pytest.raises(PullError, match="https"):
        pull([SMALL.name], tmp_path, quiet, "file:///etc")
    assert models.RELEASES_URL.startswith("https://")
