"""Rows and provenance that went wrong, put right by a job."""
