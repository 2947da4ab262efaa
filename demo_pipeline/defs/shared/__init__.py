"""What definitions share: partitions, resources, events, tables of pages, and the instance classes."""
