"""The guard against the network, and the shared embedder."""

import socket

import pytest
import torch


def test_another_machine_cannot_be_reached():
    with socket.socket() as reach, pytest.raises(pytest.fail.Exception, match="network"):
        reach.connect(("192.0.2.1", 80))
    with pytest.raises(pytest.fail.Exception, match=r"looked up 'example\.org'"):
        socket.getaddrinfo("example.org", 443)


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_the_tiny_embedder_is_tiny(tiny):
    assert sum(each.numel() for each in tiny.parameters()) < 200_000
    assert torch.get_num_threads() == 1


def test_the_browser_shows_a_page(chromium):
    page = chromium.new_page()
    page.set_content("<h1>Hard negatives</h1>")
    assert page.get_by_role("heading").inner_text() == "Hard negatives"
    page.close()
