"""Results of services as documents for programs and as tables for people."""
