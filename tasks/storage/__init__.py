"""Where videos lie: folders, S3 buckets, web addresses and lists of them.

Lists what a source holds, reads parts of a file while counting what that cost, and makes the
address from which the provider may fetch it. Originals are opened read-only and never touched.
Knows neither Prefect nor the catalog database.
"""
