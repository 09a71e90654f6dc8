"""The demonstration's broker: mosquitto as a child process where it is installed, else amqtt.

amqtt speaks MQTT 3.1.1 only and drops what a publisher sends just before it disconnects: it is for
trying Lifeline out. A deployment runs mosquitto of its own.
"""

import asyncio
import getpass
import shutil
import signal
import sys
from pathlib import Path

MOSQUITTO_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

# Started by root, mosquitto would become another user, who may not write into ``folder``: hence
# ``user``. The default queue of 1,000 silently drops settled messages, and 0 ("unlimited") disconnects
# clients in 2.0.21: hence large finite numbers.
MOSQUITTO_CONFIGURATION = """\
listener {port} 127.0.0.1
user {user}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes false
max_queued_messages 1000000
max_inflight_messages 1000
max_packet_size 2097152
log_dest stderr
log_type error
log_type warning
"""


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, or None where it is not installed."""
    path = shutil.which("mosquitto")
    places = (f"{place}/mosquitto" for place in MOSQUITTO_PLACES)
    return path or next((place for place in places if Path(place).exists()), None)


def broker_command(port: int, folder: Path) -> list[str]:
    """Return the command that runs a broker on loopback, its files in ``folder``."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    mosquitto = find_mosquitto()
    if mosquitto is None:
        return [sys.executable, "-m", "service.broker", str(port)]
    configuration = folder / "mosquitto.conf"
    text = MOSQUITTO_CONFIGURATION.format(port=port, folder=folder, user=getpass.getuser())
    configuration.write_text(text, encoding="utf-8")
    return [mosquitto, "-c", str(configuration)]


def mqtt_options() -> str:
    """Return what the broker's URL must say of it: amqtt meets MQTT 5 with silence."""
    return "" if find_mosquitto() else "?version=3.1.1"


async def run_amqtt(port: int) -> None:
    """Run amqtt on loopback until the process is told to stop."""
    from amqtt.broker import Broker  # noqa: PLC0415  only where there is no mosquitto

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(run_amqtt(int(sys.argv[1])))
