"""In which order, for the command line and for Prefect.

Owns settings, wiring, the order of the steps, the command line and the Prefect flows. The only
package that reads the environment and the only one that imports Prefect.
"""
