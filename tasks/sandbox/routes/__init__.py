"""The sandbox's addresses: one file for each group, each thin over the account behind it."""
