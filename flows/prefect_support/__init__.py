"""What Prefect runs and shows: tasks, artifacts, and runs that it starts or watches."""
