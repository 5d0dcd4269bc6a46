"""What was heard and sent: packets and stations, written in batches, trimmed to a bound, never edited."""
