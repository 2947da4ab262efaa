"""Parts of ``scripts/build_lists.py``: from the sources to what is frozen in the package."""
