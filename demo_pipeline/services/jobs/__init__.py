"""The kernel of every change: select a job, run it in one transaction, verify, report."""
