from raw_server import raw
from storage_servers import aws_profiles, bucket, s3_options, s3_stores, web_server
from swift_server import s3_server

__all__ = ["aws_profiles", "bucket", "raw", "s3_options", "s3_server", "s3_stores", "web_server"]
