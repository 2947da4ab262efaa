"""One module a revision. They import nothing of the package."""
