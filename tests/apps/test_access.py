"""Who may read the pages: the attacks of other sites, over real HTTP, on both apps as they are served."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apps import access
from apps.live_search import page as search_page
from apps.live_search.answers import Catalogue

ROOT = Path(__file__).parents[2]
BOUNDARY = "----attack"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def uploads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def search(tmp_path_factory, uploads) -> Iterator[int]:
    """The port of the search page over an empty root, whose uploads may take 100 kB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        patch.setattr(search_page, "MAX_UPLOADS", 100_000)
        page = search_page.build_page(Catalogue(tmp_path_factory.mktemp("root")))
        address = search_page.serve(page, "127.0.0.1", free_port())
        yield urlsplit(address).port
        page.close()


def ask(port: int, method="GET", path="/config", body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the answer to a request that says of itself what the headers say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    named = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in named.items():
        if value:
            connection.putheader(name, value.replace("PORT", str(port)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    connection.close()
    return found


def upload(size: int) -> tuple[bytes, dict[str, str]]:
    """The body of an upload of so many bytes, and its header."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{size}.png"\r\n\r\n'
    body = head.encode() + os.urandom(size) + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}"}


OURS = [
    {"Host": "127.0.0.1:PORT"},
    {"Host": "localhost:PORT"},
    {"Host": "LOCALHOST"},
    {"Host": "[::1]:PORT"},
    {"Host": "localhost:9000", "Origin": "http://localhost:9000"},  # through ssh -L 9000:127.0.0.1:7860
    {"Origin": "http://127.0.0.1:PORT", "Sec_Fetch_Site": "same-origin"},
    {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},  # a link
]
FOREIGN = {
    "rebinding": ({"Host": "evil.example:PORT"}, "Host 'evil.example"),
    "rebinding with its own origin": ({"Host": "evil.example", "Origin": "http://evil.example"}, "Host"),
    "a name that begins as ours": ({"Host": "localhost.evil.example"}, "Host"),
    "a name that ends as ours": ({"Host": "evil-localhost"}, "Host"),
    "a user that is called as we are": ({"Host": "localhost@evil.example"}, "Host"),
    "another address": ({"Host": "192.168.0.7:PORT"}, "Host"),
    "all addresses": ({"Host": "0.0.0.0:PORT"}, "Host"),
    "no port": ({"Host": "localhost:port"}, "Host"),
    "another site": ({"Origin": "https://evil.example"}, "Origin"),
    "another port of this computer": ({"Origin": "http://127.0.0.1:9"}, "Origin"),
    "another name of this computer": ({"Origin": "http://localhost:PORT"}, "Origin"),
    "a file or a sandbox": ({"Origin": "null"}, "Origin"),
    "a script tag of another port": ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"}, "Another page"),
    "a picture of another site": ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "image"}, "Another page"),
    "a frame of another site": (
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
        "Another page",
    ),
}


@pytest.mark.parametrize("headers", OURS)
def test_our_own_page_is_answered_and_may_not_be_framed_or_read_by_another(search, headers):
    status, told, body = ask(search, **headers)
    assert status == 200
    assert "components" in json.loads(body)
    assert told["cross-origin-resource-policy"] == "same-origin"
    assert told["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in told["content-security-policy"]
    assert "connect-src 'self' data: blob:;" in told["content-security-policy"]
    assert [name for name in told if name.startswith("access-control-")] == []


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=a"])
@pytest.mark.parametrize("attack", FOREIGN)
def test_no_other_page_reads_anything(search, attack, path):
    headers, reason = FOREIGN[attack]
    status, told, body = ask(search, path=path, **headers)
    assert status == 403
    assert reason in body
    assert "components" not in body
    assert [name for name in told if name.startswith("access-control-")] == []
    assert told["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("attack", FOREIGN)
def test_no_other_page_uploads_or_asks(search, uploads, attack):
    headers, reason = FOREIGN[attack]
    body, kind = upload(100)
    before = sum(access.sizes(uploads))
    for path in ("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/run/predict"):
        status, _, told = ask(search, "POST", path, body, **kind, **headers)
        assert (status, reason in told) == (403, True)
    assert sum(access.sizes(uploads)) == before


def test_a_preflight_of_another_port_gets_no_leave(search):
    asked = {"Origin": "http://localhost:9", "Access_Control_Request_Method": "POST"}
    status, told, _ = ask(search, "OPTIONS", Host="localhost:PORT", **asked)
    assert status == 403
    assert "access-control-allow-origin" not in told


def test_uploads_of_a_server_have_one_limit_on_the_disk(search, uploads):
    answers = []
    for _ in range(4):
        body, kind = upload(30_000)
        answers.append(ask(search, "POST", "/gradio_api/upload", body, **kind))
    assert [status for status, _, _ in answers] == [200, 200, 200, 413]
    assert "more than 0 MB on this computer's disk" in answers[-1][2]
    assert sum(access.sizes(uploads)) <= 100_000
    body, kind = upload(2_000_000)
    assert ask(search, "POST", "/gradio_api/upload", body[:100], **kind, Content_Length=str(len(body)))[0] == 413
    assert (
        ask(search, "POST", "/gradio_api/upload", b"", **kind, Content_Length="", Transfer_Encoding="chunked")[0] == 411
    )
    assert ask(search)[0] == 200


def test_a_request_that_is_no_upload_stays_small(search):
    status, _, told = ask(search, "POST", "/gradio_api/queue/join", b"{}", Content_Length="99999999999")
    assert (status, "at most 4,000,000 are read" in told) == (413, True)


def test_room_on_the_disk_is_kept_for_what_is_on_its_way(tmp_path):
    found = access.Uploads(tmp_path, 100)
    with found.room_for(60):
        with pytest.raises(access.Refused), found.room_for(60):
            pass
        with found.room_for(40):
            pass
    (tmp_path / "file").write_bytes(bytes(50))
    with pytest.raises(access.Refused), found.room_for(60):
        pass
    with found.room_for(50):
        pass
    assert found.coming == 0


@contextmanager
def started_explorer(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`streamlit run` of the explorer by its whole path, from a folder; and the port that it was given."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "apps" / "explorer.py"),
        "--server.headless",
        "true",
    ]
    with subprocess.Popen(
        [*command, "--server.port", str(port), *options, "--", "--root", str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            yield server, port
        finally:
            server.send_signal(signal.SIGKILL)


def listening(port: int) -> list[str]:
    """The addresses, as the kernel writes them, at which somebody listens on a port."""
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        if (table := Path("/proc/net") / name).exists()
        for line in table.read_text().splitlines()[1:]
    ]
    found = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [address for address, number in found if int(number, 16) == port]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system has no list of listening ports")
def test_the_explorer_started_from_another_folder_is_on_loopback_and_answers_no_other_page(tmp_path):
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text('[server]\naddress = "0.0.0.0"\n')  # somebody else's
    with started_explorer(tmp_path) as (server, port):
        end = time.time() + 180
        while not (found := listening(port)):
            assert server.poll() is None, server.stdout.read()
            assert time.time() < end
            time.sleep(0.2)
        assert found == ["0100007F"]
        status, told, body = ask(port, path="/")
        assert (status, "<title>" in body) == (200, True)
        assert "frame-ancestors 'none'" in told["content-security-policy"]
        assert told["cross-origin-resource-policy"] == "same-origin"
        for headers, _ in FOREIGN.values():
            for path in ("/", "/_stcore/health", "/_stcore/metrics", "/_stcore/host-config"):
                assert ask(port, path=path, **headers)[0] == 403
        socket_headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
        socket_headers |= {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Content_Length": ""}
        for origin in ("http://evil.example", "http://localhost:9"):
            assert ask(port, path="/_stcore/stream", Origin=origin, **socket_headers)[0] == 403


@pytest.mark.slow
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_the_explorer_ends_before_it_answers_other_machines(tmp_path, address):
    with started_explorer(tmp_path, STREAMLIT_SERVER_ADDRESS=address) as (server, port):
        said, _ = server.communicate(timeout=180)
    assert server.returncode == 1
    (line,) = [line for line in said.splitlines() if "error" in line]
    assert "--server.address" in line
    assert "loopback only" in line
    assert "Traceback" not in said
    assert listening(port) == []
