"""Seeded worlds that stand in for field hardware."""
