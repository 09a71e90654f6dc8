"""Webhooks: notices as signed HTTP requests to other platforms' endpoints.

``consumer`` takes notices from the outbox, ``backlog`` says which is next, ``body`` writes it,
``sender`` signs and sends it.
"""

from alerting.webhook.consumer import Status, WebhookConsumer, WebhookStore
from alerting.webhook.sender import Endpoint, Failure, Sender, Trouble, check_secret

__all__ = [
    "Endpoint",
    "Failure",
    "Sender",
    "Status",
    "Trouble",
    "WebhookConsumer",
    "WebhookStore",
    "check_secret",
]
