"""Scripts that build what is frozen in the package and that check the repository; run by path."""
