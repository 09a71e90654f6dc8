"""The life of an alarm."""
