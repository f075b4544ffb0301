"""What a job costs the server: of what the meter itself asks for, nothing."""

from __future__ import annotations

from benchmarks import server


def test_the_longest_command_is_one_of_the_job() -> None:
    with server.started() as (_, client):
        meter = server.Meter(client)
        client.config_set("slowlog-log-slower-than", 0)
        assert meter.measure(lambda: None)[1]["longest_block"] == 0
        counts = "for i = 1, 100000 do end return 1"
        assert meter.measure(lambda: client.eval(counts, 0))[1]["longest_block"] > 0
