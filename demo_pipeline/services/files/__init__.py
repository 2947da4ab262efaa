"""Files that people bring and take away: blueprints, plans, workbooks, figures."""
