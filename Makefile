# The commands of every day. PYTHON=... chooses the interpreter that makes .venv/, ARGS=... reaches the command.
PYTHON ?= python3
UV ?= uv
PY = .venv/bin/python
VENV = @PYTHON="$(PYTHON)" scripts/venv.sh

.PHONY: run test test-faults test-browser bench reset lint lock clean

run:  ## The product on this machine, until Ctrl-C.
	$(VENV) local
	@exec $(PY) manage.py run

test:  ## The suite, on engines of its own. One file: make test ARGS=tests/emm/test_jobs.py
	$(VENV) dev
	$(PY) -m pytest -n 2 -m "not faults and not browser" --junit-xml=.emm/tests.xml $(ARGS)

test-faults:  ## Kills, restarts, lost answers: minutes, not seconds.
	$(VENV) dev
	$(PY) -m pytest -m "faults and not browser" $(if $(ARGS),$(ARGS),--ignore=tests/simulation)
	$(if $(ARGS),,$(PY) -m pytest -n 2 -m faults tests/simulation)

test-browser:  ## The console, clicked through in a real Chromium.
	$(VENV) dev
	$(PY) -m pytest -n 2 -m browser $(or $(ARGS),tests/browser)

bench:  ## Figures beside their targets.
	$(VENV) dev
	$(PY) -m tests.bench $(ARGS)

reset:  ## Stop the embedded engines and forget everything: EMM_STATE_DIR and, as root, the data under /var/tmp.
	$(VENV) local
	@$(PY) scripts/reset.py

lint:
	$(VENV) dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict .
	$(PY) manage.py makemigrations --check --dry-run

lock:  ## Choose versions anew from requirements/*.in. Needs uv. One package: make lock ARGS="--upgrade-package django"
	cd requirements && for name in base local dev; do \
		$(UV) pip compile $(ARGS) --quiet --no-header --no-emit-index-url --generate-hashes --universal \
			--python-version 3.11 $$name.in -o $$name.txt || exit 1; \
	done

clean:  ## Remove what can be made again; data stays.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
