"""Tables of results, for the command line and for Dagster's pages: described once, shown in every form."""
