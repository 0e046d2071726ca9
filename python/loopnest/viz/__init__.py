"""Pictures of what was measured: charts by matplotlib (extra `plot`), the report as one HTML file."""
