"""The catalogue: written as YAML, kept as numbered revisions."""
