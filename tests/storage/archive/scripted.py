"""A tiny HTTP server that says what a real one cannot be made to say."""

import re
import socket
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EMPTY = b'{"results":[{"statement_id":0}]}'
CURSOR = b'{"results":[{"series":[{"columns":["time","seq"],"values":[[%d,%d]]}]}]}'


class Scripted:
    """Answers writes from ``script``: (status, body, headers), "reset", or seconds to be slow.

    It keeps nothing but the newest cursor: (time, row).
    """

    def __init__(self):
        self.script = deque()
        self.judge = None  # or a function from a body to such an answer
        self.bodies = []
        self.cursor = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer leaves as one piece

            def do_GET(self):
                of_cursor = "lifeline_cursor" in self.path and outer.cursor is not None
                self.answer(200, CURSOR % outer.cursor if of_cursor else EMPTY, {})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append(body)
                said = outer.script.popleft() if outer.script else None
                said = outer.judge(body) if said is None and outer.judge else said
                if said == "reset":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if isinstance(said, float):
                    time.sleep(said)
                    said = None
                written = re.match(rb"lifeline_cursor,\S+ seq=(\d+)i (\d+)", body)
                if written and said is None:
                    outer.cursor = int(written[2]), int(written[1])
                self.answer(*(said or (204, b"", {})))

            def answer(self, status, body, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def port(self):
        return self._server.server_port

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
