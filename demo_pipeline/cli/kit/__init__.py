"""What commands share: options, the opened session, tables and messages, errors, progress, runs."""
