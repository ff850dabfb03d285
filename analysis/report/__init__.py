"""The report page: all numbers of finished runs, beside what was published."""
