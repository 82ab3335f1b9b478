"""What is true: rules, records and reads of the catalog.

Owns money, states, tables and queries. Opens no network connection, knows neither Prefect nor
FFmpeg, and imports nothing from `tasks` or `flows`.
"""
