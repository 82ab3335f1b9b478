"""What a file is and what it measures.

Owns fingerprints, the two probing engines, what of their answers is believed, and the child
processes they run in. Knows no database, no provider and no flow; never writes to a video.
"""
