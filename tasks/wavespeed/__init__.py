"""WaveSpeed's API: the only code that speaks to the provider.

`client` has a method for each address; what an answer means is decided by pure readers. It knows
nothing of the catalog's database, of Prefect or of the sandbox.
"""
