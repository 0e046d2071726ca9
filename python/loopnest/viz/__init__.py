"""Pictures of what was measured: charts by matplotlib (extra `plot`), the report as one self-contained HTML file."""
