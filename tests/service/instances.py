"""Two instances of the service on one PostgreSQL, to be killed in turn."""

import json
import signal
import urllib.error
import urllib.request

from tests.service.harness import Service, wait_until


class Instance(Service):
    """One of the instances that share a database; it may stand by instead of being ready."""

    def __init__(self, folder, mqtt_url, site, url, name, **settings):
        folder.mkdir(parents=True)
        shared = {"LIFELINE_JOURNAL_URL": url, "LIFELINE_STATE_URL": url}
        super().__init__(folder, mqtt_url, site, LIFELINE_INSTANCE=name, **shared, **settings)
        self.name = name

    @property
    def process(self):
        return self._process

    def is_alive(self):
        return self._process is not None and self._process.poll() is None

    def detail(self):
        """What it says of its lead; empty where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready") as answer:
                checks = json.load(answer)["checks"]
        except urllib.error.HTTPError as error:
            with error:
                checks = json.load(error)["checks"]
        except OSError:
            return ""
        return next((c["detail"] for c in checks if c["name"] == "leadership"), "")

    def metrics(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def stands_by(self):
        assert self.is_alive(), self.last_words()
        return self.detail().startswith("standby of")

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)


class Pair:
    """Two instances as one service: what is asked goes to the one that leads."""

    def __init__(self, instances):
        self.instances = instances
        self.server_starts = 0

    @property
    def starts(self):
        return sum(instance.starts for instance in self.instances) + self.server_starts

    def start(self):
        """Start those that do not run."""
        for instance in self.instances:
            if not instance.is_alive():
                instance.start()

    def leader(self):
        """Return the instance that is ready; ``None`` where none is."""
        for instance in self.instances:
            if instance.is_alive() and instance.ask("/health/ready") is not None:
                return instance
        return None

    def wait_for_leader(self):
        wait_until(lambda: self.leader() is not None, self.last_words, look_s=0.02)
        return self.leader()

    def wait_for_both(self):
        """Wait until one leads and the others stand by; return it, and one of those."""
        leader = self.wait_for_leader()
        others = [each for each in self.instances if each is not leader]
        for other in others:
            wait_until(other.stands_by, other.last_words)
        return leader, others[0]

    def ask(self, path, **query):
        found = (instance.ask(path, **query) for instance in self.instances)
        return next((answer for answer in found if answer is not None), None)

    def tell(self, path, body):
        for instance in self.instances:
            status, answer = instance.tell(path, body)
            if status not in (None, 503):
                return status, answer
        return None, None

    def last_words(self):
        return "\n\n".join(
            f"{each.name}:\n{each.last_words()}" for each in self.instances if each.starts
        )
