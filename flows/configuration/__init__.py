"""Where settings come from, and which of those places are trusted with what."""
