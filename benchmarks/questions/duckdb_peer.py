#!/usr/bin/env python3
"""Answers SQL about a Delta table with DuckDB: a question in JSON on each line of the input, rows and milliseconds on each of the output."""

import json
import sys
import time

import deltalake
import duckdb

files = deltalake.DeltaTable(sys.argv[1]).file_uris()
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
listed = ", ".join(f"'{file.removeprefix('file://')}'" for file in files)
connection.execute(
    f"CREATE VIEW scans AS SELECT * FROM read_parquet([{listed}], hive_partitioning = true, hive_types = {{'local_date': DATE}})"
)
for line in sys.stdin:
    started = time.perf_counter()
    cursor = connection.execute(json.loads(line))
    rows = cursor.fetchall()
    elapsed_ms = (time.perf_counter() - started) * 1e3
    names = [column[0] for column in cursor.description]
    print(json.dumps({"ms": elapsed_ms, "rows": [dict(zip(names, row)) for row in rows]}), flush=True)
