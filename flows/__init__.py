"""In which order, and through which door.

Owns settings, wiring, the order of the steps, the command line and the Prefect flows. The only
package that reads the environment and the only one that imports Prefect.
"""
