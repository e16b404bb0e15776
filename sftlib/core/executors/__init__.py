"""Where shards are worked on; the function that works on them does not know."""
