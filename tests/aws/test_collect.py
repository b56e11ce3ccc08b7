"""Results of a real bucket, gathered page by page."""

from pathlib import Path

import pyarrow.parquet as pq

from fixtures.servers.fault_proxy import Fault, FaultProxy
from tests.aws import events, stand_in
from tests.aws.conftest import Bench
from tools import collect


def test_results_in_s3_become_rows_of_one_file(
    bench: Bench, proxy: FaultProxy, tmp_path: Path
) -> None:
    for number in range(12):
        bench.put(f"a b+c/{number} ü.jpg")
    bench.put("empty.jpg", stand_in.NO_FACE)
    bench.invoke(events.item_batch(bench.inputs, *bench.put_bytes))
    stray = {"Bucket": bench.outputs, "Body": b"{}"}
    for key in ("out/_requests/m.json", "outside/x.json", "out-of-prefix.json"):
        bench.s3.put_object(Key=key, **stray)
    proxy.faults = [Fault("unavailable", "GET", times=3)]
    output = tmp_path / "faces.parquet"
    source = f"s3://{bench.outputs}/out"
    assert collect.main([source, "-o", str(output), "--page", "5", "--quiet"]) == 0
    listed = bench.s3.list_objects_v2(Bucket=bench.outputs, Prefix="out/")["Contents"]
    written = {row["LastModified"] for row in listed}
    rows = {row["key"]: row for row in pq.read_table(output).to_pylist()}
    assert set(rows) == set(bench.put_bytes)
    assert {row["written_at"] for row in rows.values()} <= written
    assert rows.pop("empty.jpg")["error_code"] == "FaceNotFound"
    for key, row in rows.items():
        assert row["embedding"] == stand_in.embedding_of(bench.put_bytes[key])
