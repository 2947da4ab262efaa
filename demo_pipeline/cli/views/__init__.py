"""Results that several commands show, as documents for programs and as tables for people."""
