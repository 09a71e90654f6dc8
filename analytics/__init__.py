"""The judgement: quality checks, features and graded limits."""
