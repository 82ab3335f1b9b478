"""Small parts that everything in `tasks` and `flows` may use, and that use nothing of theirs."""
