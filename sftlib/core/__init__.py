"""What every room stands on: errors, params, records, rows on disk and the life of a stage."""
