"""What a deployment reads: image, host, environment, web server. Each file is valid and says what the code says."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emm import environment
from emm.schedule import QUEUES
from tests.emm.test_environment import PRODUCTION

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "hunter2-hunter2"


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=False
    )


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("loaded", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def validate() -> ModuleType:
    return load("scripts/validate-env.py")


def test_the_variables_are_checked_where_nothing_but_their_table_can_be_imported(tmp_path: Path) -> None:
    file = tmp_path / "given.env"
    file.write_text("ENVIRONMENT=production\nSECRET_KEY=short\n")
    alone = (
        "import runpy, sys; sys.modules.update(dict.fromkeys(['django', 'psycopg', 'redis'])); "
        f"sys.argv = ['validate-env.py', '--json', '--env-file', {str(file)!r}]; "
        "runpy.run_path('scripts/validate-env.py', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", alone], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert not json.loads(ended.stdout)["variables"]["SECRET_KEY"]["valid"]


def test_the_example_is_what_the_table_of_variables_says(validate: ModuleType) -> None:
    assert (ROOT / ".env.production.example").read_text() == validate.example()


def test_the_example_names_every_variable_once(validate: ModuleType) -> None:
    lines = [line.removeprefix("# ").split("=")[0] for line in validate.example().splitlines() if "=" in line]
    assert sorted(name for name in lines if name in environment.BY_NAME) == sorted(environment.BY_NAME)


def test_the_example_lacks_only_what_nobody_else_can_know(validate: ModuleType) -> None:
    found = validate.verdict(environment.read_file(str(ROOT / ".env.production.example")))
    wrong = {name for name, row in found["variables"].items() if not row["valid"]}
    assert wrong == {"SECRET_KEY", "EMM_ENCRYPTION_KEY"}
    assert found["left_to_console"] == ["NOTION_API_KEY", "ANTHROPIC_API_KEY"]
    assert found["unknown"] == []


def test_validation_never_shows_a_value(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("".join(f"{name}={SECRET}\n" for name in environment.BY_NAME) + f"NOTION_KEY={SECRET}\n")
    for options in ([], ["--json"]):
        answer = run(sys.executable, "scripts/validate-env.py", "--env-file", str(file), *options)
        assert answer.returncode == 1
        assert SECRET not in answer.stdout + answer.stderr
        assert "NOTION_KEY is unknown: did you mean" in answer.stdout


def test_validation_says_what_only_the_console_may_hold_and_does_not_vouch_for_it(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("".join(f"{name}={value}\n" for name, value in PRODUCTION.items()))
    whole = run(sys.executable, "scripts/validate-env.py", "--env-file", str(file))
    assert (whole.returncode, whole.stdout.splitlines()[-1]) == (0, "It would start. It is fit for production.")
    file.write_text(file.read_text().replace("NOTION_API_KEY=ntn_1\n", ""))
    lacking = run(sys.executable, "scripts/validate-env.py", "--env-file", str(file))
    assert lacking.returncode == 2
    assert "unset    In production: not set: needed unless it was entered in the console." in lacking.stdout
    last = "It would start. It is fit for production if the console holds NOTION_API_KEY."
    assert lacking.stdout.splitlines()[-1] == last
    file.write_text(file.read_text().replace("SECRET_KEY=", "SECRET_KEI="))
    assert run(sys.executable, "scripts/validate-env.py", "--env-file", str(file)).returncode == 1


def test_validation_passes_an_installation_that_would_start_and_says_what_production_lacks() -> None:
    answer = run(sys.executable, "scripts/validate-env.py", "--json", ENVIRONMENT="staging", SECRET_KEY="your-secret")
    found = json.loads(answer.stdout)
    assert (answer.returncode, found["valid"], found["production"]) == (0, True, False)
    assert found["variables"]["SECRET_KEY"]["placeholder"]
    assert not found["variables"]["DATABASE_URL"]["production"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOG_LEVEL", "DEBUG"), ("JSON_LOGS", "false"), ("RATE_LIMIT_ENABLED", "false"), ("API_KEY", "short")],
)
def test_validation_recommends_what_production_should_have(validate: ModuleType, name: str, value: str) -> None:
    (note,) = validate.advice(name, {name: value})
    assert note.startswith("Recommended in production: ")


def test_the_image_passes_the_linter() -> None:
    answer = run(str(Path(sys.executable).parent / "hadolint"), "Dockerfile")
    assert answer.returncode == 0, answer.stdout


def test_the_image_runs_as_a_plain_user_and_installs_by_hash() -> None:
    text = (ROOT / "Dockerfile").read_text()
    user = int(text.rsplit("USER ", 1)[1].split()[0])
    assert user >= 10_000
    assert "--require-hashes -r requirements/base.txt" in text
    assert "/sandbox" not in text
    assert "!sandbox" not in (ROOT / ".dockerignore").read_text()


def test_every_base_requirement_is_pinned_with_a_hash() -> None:
    for name in ("base", "local", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line for line in pinned)
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_the_host_is_told_what_it_understands() -> None:
    told = json.loads((ROOT / "railway.json").read_text())
    assert told["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
    deploy = told["deploy"]
    assert len(deploy["preDeployCommand"]) == 1
    assert deploy["healthcheckPath"] == "/health/ready"
    assert deploy["restartPolicyType"] == "ON_FAILURE"
    for command in (deploy["startCommand"], *deploy["preDeployCommand"]):
        assert os.access(ROOT / command, os.X_OK)


@pytest.mark.parametrize("name", ["web", "worker", "beat", "release"])
def test_a_start_script_becomes_the_process_that_it_starts(name: str) -> None:
    lines = (ROOT / "scripts" / f"{name}.sh").read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert sum(line.startswith("exec ") for line in lines) == 1
    assert run("bash", "-n", f"scripts/{name}.sh").returncode == 0


@pytest.mark.parametrize(
    ("megabytes", "processes"), [(256, 2), (512, 2), (1000, 4), (1024, 4), (1536, 4), (2000, 8), (2048, 8), (16384, 8)]
)
def test_the_web_server_has_as_many_processes_as_the_memory_carries(megabytes: int, processes: int) -> None:
    unit = 1_000_000 if megabytes % 1000 == 0 else 2**20
    assert load("config/gunicorn.conf.py").processes(megabytes * unit) == processes


def test_a_container_without_a_limit_has_the_memory_of_its_machine(tmp_path: Path) -> None:
    gunicorn: Any = load("config/gunicorn.conf.py")
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "limit").write_text(f"{512 * 2**20}\n")
    gunicorn.MEMORY_LIMITS = (str(tmp_path / "max"), str(tmp_path / "none"))
    machine = gunicorn.memory()
    gunicorn.MEMORY_LIMITS = (str(tmp_path / "max"), str(tmp_path / "limit"))
    assert gunicorn.memory() == min(512 * 2**20, machine)
    assert machine > 512 * 2**20


def test_the_web_server_listens_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2")
    gunicorn = load("config/gunicorn.conf.py")
    assert (gunicorn.bind, gunicorn.workers, gunicorn.forwarded_allow_ips) == ("0.0.0.0:8123", 3, "10.0.0.1,10.0.0.2")


def test_the_supervised_workers_take_every_queue_once() -> None:
    text = (ROOT / "config" / "supervisord.conf").read_text()
    assert all(text.count(f"worker -P threads -Q {queue} ") == 1 for queue in QUEUES)
    assert text.count("worker -P threads") == len(QUEUES)
