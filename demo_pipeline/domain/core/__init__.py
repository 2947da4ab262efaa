"""The ground of the domain: months, figures, errors, exact shares, random streams, ids."""
