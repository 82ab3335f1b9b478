"""The sandbox's doors: one file per group of addresses, each thin over the account behind it."""
