"""WaveSpeed's API: the only code that speaks to the provider and the only code that imports httpx.

`client.py` does what needs the network; what an answer means is decided by pure readers, one file
for each part of the API. Knows nothing of the catalog's database, of Prefect or of FFmpeg.
"""
