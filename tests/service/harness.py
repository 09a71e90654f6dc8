"""The whole service as a child process, to be killed, beside who publishes and who acknowledges."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.topics import SUBSCRIPTION
from service.settings import ROOT

ADMIN_KEY = "key-of-the-kill-test"
START_TIMEOUT_S = 120.0
LOOK_S = 0.001


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(condition, what, timeout_s=START_TIMEOUT_S, look_s=0.05):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"in vain for {timeout_s:.0f} s: {what()}"
        time.sleep(look_s)


class Service:
    """``lifeline serve`` on a data folder of its own; each ``start`` is another life of it."""

    def __init__(self, folder: Path, mqtt_url: str, site, **settings: str) -> None:
        file, templates = site
        self.data = folder / "data"
        self.log_file = folder / "service.log"
        self.port = free_port()
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if "LIFELINE" not in name},
            "LIFELINE_MQTT_URL": mqtt_url,
            "LIFELINE_HTTP_LISTEN": f"127.0.0.1:{self.port}",
            "LIFELINE_DATA_DIR": str(self.data),
            "LIFELINE_CATALOGUE": json.dumps([str(file)]),
            "LIFELINE_TEMPLATES": str(templates),
            "LIFELINE_SNAPSHOT_INTERVAL_S": "0.2",
            "LIFELINE_ADMIN_KEY": ADMIN_KEY,
            **settings,
        }

    def start(self, module="service"):
        self.starts += 1
        command = [sys.executable, "-m", module, "serve"]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    def kill(self):
        """End it as a power failure ends a process: it must still have been running."""
        assert self._process is not None
        assert self._process.poll() is None, f"it ended by itself:\n{self.last_words()}"
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Ask it to stop; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def clear_away(self):
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def wait_until_ready(self):
        wait_until(self.is_ready, self.last_words)

    def is_ready(self):
        assert self._process is not None
        assert self._process.poll() is None, f"it does not start:\n{self.last_words()}"
        return self.ask("/health/ready") is not None

    def ask(self, path, **query):
        """Return a JSON answer; ``None`` where there is none, as of a service that was killed."""
        return self._answer(f"{path}?{urllib.parse.urlencode(query)}", None)[1]

    def tell(self, path, body):
        """Return status and answer of a POST; status ``None`` where nothing was answered."""
        return self._answer(path, json.dumps(body).encode())

    def _answer(self, path, data):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data,
            {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None
        except (OSError, ValueError, http.client.HTTPException):  # refused, reset, or cut short
            return None, None

    def last_words(self, lines=25):
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def log_of_level(self, *levels):
        """Return the lines of the log that are of these levels, and those that are no JSON."""
        found = []
        for line in self.log_file.read_text(encoding="utf-8").splitlines():
            try:
                level = json.loads(line)["level"]
            except (ValueError, KeyError, TypeError):
                found.append(line)  # a traceback, or a warning of the interpreter's
            else:
                if level in levels:
                    found.append(line)
        return found


def subscribe_for(broker):
    """Begin the service's persistent session, so that what is published before it lives waits."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, "lifeline", protocol=MQTTProtocolVersion.MQTTv5
    )
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 0xFFFF_FFFF
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_connect = lambda *_: client.subscribe(SUBSCRIPTION, qos=1)
    client.connect(broker.host, broker.port, clean_start=False, properties=properties)
    client.loop_start()
    assert subscribed.wait(30)
    client.disconnect()
    client.loop_stop()


class Publisher:
    """Publishes messages in order, one connection a gateway, as far as it is allowed to."""

    def __init__(self, broker, messages, rate_per_s):
        self._messages, self._pause_s = messages, 1.0 / rate_per_s
        self._clients = {}
        self._taken = []  # one for each message that the broker has settled
        for gateway in {message.gateway for message in messages}:
            client = mqtt.Client(CallbackAPIVersion.VERSION2, gateway)
            client.max_inflight_messages_set(1000)
            client.reconnect_delay_set(1, 1)
            client.on_publish = lambda *_: self._taken.append(None)
            client.connect(broker.host, broker.port)
            client.loop_start()
            self._clients[gateway] = client
        self._allowed = 0
        self._changed = threading.Condition()
        self._sent = []
        self._ended = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def allow(self, count):
        """Let the first ``count`` messages be published."""
        with self._changed:
            self._allowed = max(count, self._allowed)
            self._changed.notify()

    def wait_until_taken(self):
        """Wait until the broker has every message that was allowed."""
        wait_until(
            lambda: len(self._taken) == self._allowed,
            lambda: f"{len(self._sent)} sent, {len(self._taken)} taken",
        )

    @property
    def sent(self):
        """How many messages were given to the client so far."""
        return len(self._sent)

    def _run(self):
        due_s = time.monotonic()
        for number, message in enumerate(self._messages):
            with self._changed:
                while self._allowed <= number and not self._ended:
                    self._changed.wait()
                    due_s = time.monotonic()
                if self._ended:
                    return
            due_s += self._pause_s
            time.sleep(max(0.0, due_s - time.monotonic()))
            client = self._clients[message.gateway]
            self._sent.append(client.publish(message.topic, message.payload, qos=1))

    def close(self):
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        for client in self._clients.values():
            client.disconnect()
            client.loop_stop()


class Operator:
    """Acknowledges the operated channels' alarms one by one, again where no answer came."""

    def __init__(self, service):
        self._service = service
        self._ended = threading.Event()
        self.asking = threading.Event()  # a command is on its way
        self.answers = {}  # alarm id -> [(comment, status or None)]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def done(self):
        """Alarm ids that the service has answered for: taken now, or known to be taken."""
        return {alarm for alarm, answers in self.answers.items() if answers[-1][1] in (200, 409)}

    def _run(self):
        while not self._ended.is_set():
            alarm = self._next()
            if alarm is None:
                self._ended.wait(0.05)
            else:
                self._acknowledge(alarm)

    def _next(self):
        """Return an alarm that nobody answered for, else one that waits to be seen."""
        unanswered = [alarm for alarm in self.answers if alarm not in self.done]
        if unanswered:
            return unanswered[0]
        page = self._service.ask("/api/v1/alarms", state="unacknowledged", limit=1000)
        waiting = [
            item["id"]
            for item in (page or {"items": []})["items"]
            if "/operated-" in item["channel"] and item["id"] not in self.done
        ]
        return waiting[-1] if waiting else None

    def _acknowledge(self, alarm):
        answers = self.answers.setdefault(alarm, [])
        if answers:
            self._ended.wait(0.05)  # the service is away
        comment = f"seen {alarm} {len(answers)}"
        answers.append((comment, None))
        self.asking.set()
        status, _ = self._service.tell(f"/api/v1/alarms/{alarm}/acknowledge", {"comment": comment})
        self.asking.clear()
        answers[-1] = (comment, status)

    def close(self):
        self._ended.set()
        self._thread.join()
