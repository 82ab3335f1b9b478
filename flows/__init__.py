"""In which order, for the command line and for Prefect.

Owns settings, wiring, the order of the steps, the command line and the Prefect flows. It is the
only package that imports Prefect, and the only one that reads reelcat's own variables.
"""
