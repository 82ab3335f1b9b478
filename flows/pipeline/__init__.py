"""The order of a run: sources, probes, a plan, purchases, their bill, and a report."""
