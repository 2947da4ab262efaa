"""Jobs and sensors that run the platform: tenants as partitions, incidents and alerts."""
