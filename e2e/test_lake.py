"""Others read the lake, and find what the log holds: every scan once, and nothing about a person.

Three readers: deltalake with its own engine, Polars' Parquet reader over what deltalake lists, and DuckDB over what the table's log
says, read here by hand.
"""

import json
import re

import deltalake
import duckdb
import polars
import pytest

from people import DECLARATION, PRIVATE

# What tells one row of a table from every other.
TABLES = {
    "scans": ("device_epoch", "seq"),
    "declarations": ("kafka_partition", "kafka_offset"),
    "outcomes": ("declaration_id",),
}
FIRST_DECLARATIONS, FIRST_SCANS = 600, 5_000
ABOUT_A_PERSON = re.compile(
    r"name|phone|number|address|document|description|pass_code|code_id|birth_(?!year$)|plate(?!_ref$)|subject(?!_ref$)"
)


@pytest.fixture(scope="module")
def lake(city):
    """The lake of a city that has had its morning and was then stopped."""
    status, answer = city.post("/v1/declarations", DECLARATION, city.token("resident"), Prefer="wait=10")
    assert status == 201, answer
    city.wait_for_morning()
    city.stop()
    return city.folder / "data" / "lake"


@pytest.fixture(scope="module")
def sums(city, lake):
    return json.loads(city.command("reconcile", "--drained", "--json"))


def files(table):
    """The table's files by its log: those added and not removed."""
    present = set()
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for action in map(json.loads, commit.read_text(encoding="utf-8").splitlines()):
            if "add" in action:
                present.add(action["add"]["path"])
            elif "remove" in action:
                present.discard(action["remove"]["path"])
    return sorted(str(table / path) for path in present)


def duckdb_rows(table, columns):
    return duckdb.sql(f"SELECT {columns} FROM read_parquet($files)", params={"files": files(table)}).fetchall()


def deltalake_rows(table, columns):
    engine = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(str(table)))
    return polars.DataFrame(engine.execute(f"SELECT {columns} FROM t").read_all()).rows()


def polars_rows(table, columns):
    return polars.read_delta(str(table)).select(columns.split(", ")).rows()


@pytest.mark.parametrize("name", TABLES)
def test_three_readers_see_the_same_rows_and_each_row_once(lake, name):
    columns = ", ".join((*TABLES[name], "district", "local_hour"))
    by_duckdb, by_deltalake, by_polars = (
        sorted(read(lake / name, columns)) for read in (duckdb_rows, deltalake_rows, polars_rows)
    )
    assert by_duckdb == by_deltalake == by_polars
    width = len(TABLES[name])
    assert len({row[:width] for row in by_duckdb}) == len(by_duckdb) > 0


def test_the_lake_holds_what_the_log_does(lake, sums):
    counts = {name: len(duckdb_rows(lake / name, "district")) for name in TABLES}
    assert counts == {name: sums["lake"][name]["rows"] for name in TABLES}
    declared = sums["declarations"]
    assert counts["scans"] == sums["scans"]["distinct"] >= FIRST_SCANS
    assert counts["declarations"] == declared["appended"] >= FIRST_DECLARATIONS + 1
    assert counts["outcomes"] == declared["issued"] + declared["rejected"]


@pytest.mark.parametrize("name", TABLES)
def test_nothing_in_it_is_about_a_person(lake, name):
    table = deltalake.DeltaTable(str(lake / name))
    fields = table.schema().fields
    assert [field.name for field in fields if ABOUT_A_PERSON.search(field.name)] == []
    for row in duckdb_rows(lake / name, "COLUMNS(*)::VARCHAR"):
        told = " ".join(filter(None, row))
        assert not any(secret in told for secret in PRIVATE)


def test_the_city_wrote_nothing_about_a_person_to_its_log(city, lake):
    assert not any(secret in city.log() for secret in PRIVATE)
