"""What is kept: the journal, the archive of readings, and the state."""
