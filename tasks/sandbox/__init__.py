"""A stand-in for WaveSpeed's REST API that keeps its own books.

It serves the offline provider in-process, and rehearsals and proofs on a port. It imports nothing
of its client, so that the two can disagree. docs/sandbox.md says what it reproduces, and which of
that no source confirms.
"""
