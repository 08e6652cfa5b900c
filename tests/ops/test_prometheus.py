"""The alert rules as Prometheus reads them, judged by its own tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from ops import rules

PROMTOOL = shutil.which("promtool")
FILE = settings.BASE_DIR / "config" / "alerts.yaml"


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: install Debian's prometheus, as .ci/run does")
def test_each_rule_fires_at_its_threshold_and_after_its_time_only(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    cases = []
    written = {one["expr"].split('"')[1]: one for one in rules.for_prometheus()["groups"][0]["rules"][:-1]}
    for rule in rules.RULES:
        name = written[rule.key]["alert"]
        bad = rule.threshold
        good = rule.threshold + (0.5 if rule.at_least else -0.5)
        fires = {
            "exp_labels": {"rule": rule.key, "severity": str(rule.severity)},
            "exp_annotations": {"summary": rule.title, "runbook": rule.runbook},
        }
        for value, minutes, alerts in (
            (bad, rule.fire_after + 1, [fires]),
            (bad, rule.fire_after - 1, []),
            (good, rule.fire_after + 60, []),
        ):
            series = {"series": f'emm_rule_value{{rule="{rule.key}"}}', "values": f"{value:g}x{minutes + 2}"}
            asked = {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": alerts}
            cases.append({"interval": "1m", "input_series": [series], "alert_rule_test": [asked]})
    test = tmp_path / "rules.yaml"
    test.write_text(yaml.safe_dump({"rule_files": [str(FILE)], "evaluation_interval": "1m", "tests": cases}))
    told = subprocess.run([PROMTOOL, "test", "rules", str(test)], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(cases) == 3 * len(rules.RULES)
