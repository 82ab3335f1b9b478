"""Buckets behind the S3 API, through boto3: listing, ranged reading, presigned links.

Importing any module of this package imports boto3, so `tasks.storage.registry` does it only when
something lies in a bucket.
"""
