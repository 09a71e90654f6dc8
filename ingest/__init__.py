"""From MQTT messages to journal rows, and from journal rows to batches of readings."""
