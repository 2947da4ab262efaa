"""The declared shapes of all answers that commands give with ``--json``, as JSON Schemas."""
