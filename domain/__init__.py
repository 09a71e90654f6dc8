"""The nouns of Lifeline: pure data and laws, no I/O, no clock, no asyncio."""
