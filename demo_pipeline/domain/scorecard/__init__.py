"""The scorecard: measures of how believable the rows of a tenant are."""
