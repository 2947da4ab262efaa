"""From resolved figures to rows: companies, contacts, deals, activities, as Arrow batches."""
