"""The city's sender: it notes how far it came, and goes on from there."""

import http.server
import json
import threading

import pytest

from service.city import _note, _stopped_at_ns, answers


def test_what_is_noted_is_read_back(tmp_path):
    path = tmp_path / "new" / "city.json"
    _note(path, 123, live=True)
    assert _stopped_at_ns(path) == 123
    assert json.loads(path.read_text(encoding="utf-8"))["live"] is True
    assert [one.name for one in path.parent.iterdir()] == ["city.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sent_until_ns": "x"}', "null", "5"])
def test_a_note_that_cannot_be_read_means_from_the_beginning(tmp_path, text):
    path = tmp_path / "city.json"
    path.write_text(text, encoding="utf-8")
    assert _stopped_at_ns(path) == 0


def test_without_a_file_nothing_is_noted(tmp_path):
    _note(None, 5, live=True)
    assert _stopped_at_ns(None) == 0
    assert _stopped_at_ns(tmp_path / "none.json") == 0


async def test_it_waits_until_the_serviceanswers_well():
    statuses = iter([503, 503, 200])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(next(statuses))
            self.end_headers()

        def log_message(self, *_told):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        await answers(f"http://127.0.0.1:{server.server_port}/health/ready")
        server.shutdown()
        thread.join()
    assert next(statuses, None) is None
