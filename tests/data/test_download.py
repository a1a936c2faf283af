import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jaxgan.data.download import download_file
from jaxgan.errors import DataError

BODY = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    """Responds as the last part of the path says; the end of the test releases waiting handlers."""

    def do_GET(self):
        getattr(self, self.path.rsplit("/", 1)[-1])()

    def send(self, length, body=BODY):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def complete(self):
        self.send(len(BODY))

    def without_length(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)

    def truncated(self):
        self.send(len(BODY) + 1)

    def missing(self):
        self.send_error(404)

    def silent(self):
        self.server.release.wait(10)

    def stalling(self):
        self.send(len(BODY), BODY[:1000])
        self.server.release.wait(10)

    def slow(self):
        self.send(len(BODY), b"")
        while not self.server.release.wait(0.01):
            self.wfile.write(b"x")

    def late(self):
        self.server.release.wait(10)
        self.complete()
        self.server.sent.set()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.release, self.sent = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # The client has given up.


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server
        server.release.set()
        server.shutdown()


@pytest.mark.parametrize("route", ["complete", "without_length"])
@pytest.mark.parametrize("path_type", [str, lambda path: path], ids=["str", "Path"])
def test_download_file_replaces_the_file(server, tmp_path, route, path_type):
    (tmp_path / "file").write_bytes(b"old")
    download_file(f"{server.url}/{route}", path_type(tmp_path / "file"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", BODY)]


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("missing", "HTTP Error 404"),
        ("truncated", "closed after 256000 of 256001 bytes"),
        ("silent", "no byte arrived for 0.2 s"),
        ("stalling", "no byte arrived for 0.2 s"),
        ("slow", "not complete after 0.5 s"),
    ],
)
def test_download_file_failure_names_url_and_reason_and_keeps_the_folder(
    server, tmp_path, route, reason
):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(DataError, match=f"{server.url}/{route} cannot be downloaded: .*{reason}"):
        download_file(f"{server.url}/{route}", tmp_path / "file", stall=0.2, deadline=0.5)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_download_file_reports_a_refused_connection(tmp_path):
    with socket.socket() as not_listening:
        not_listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{not_listening.getsockname()[1]}/file"
        with pytest.raises(DataError, match=f"{url} cannot be downloaded: .*refused"):
            download_file(url, tmp_path / "file")


def test_download_file_gives_up_on_a_hanging_resolver(monkeypatch, tmp_path):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(10) and [])
    message = r"http://nowhere\.test/file cannot be downloaded: no byte arrived for 0\.2 s"
    with pytest.raises(DataError, match=message):
        download_file("http://nowhere.test/file", tmp_path / "file", stall=0.2)
    release.set()


def test_download_file_writes_nothing_after_giving_up(server, tmp_path):
    before = set(threading.enumerate())
    with pytest.raises(DataError, match="no byte arrived"):
        download_file(f"{server.url}/late", tmp_path / "file", stall=0.2)
    server.release.set()
    assert server.sent.wait(5)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert not list(tmp_path.iterdir())


def test_download_file_uses_the_proxy_of_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib reads the environment only once.
    download_file("http://nowhere.test/complete", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


def test_download_file_reports_a_file_that_cannot_be_written(server, tmp_path):
    message = f"complete cannot be saved as {tmp_path}/none/file: .*No such file"
    with pytest.raises(DataError, match=message):
        download_file(f"{server.url}/complete", tmp_path / "none" / "file")


def test_download_file_reports_an_invalid_url(tmp_path):
    with pytest.raises(DataError, match="nonsense cannot be downloaded: unknown url type"):
        download_file("nonsense", tmp_path / "file")
