"""What Dagster's asset pages show: the specs of the assets, the events of their partitions, their tables."""
