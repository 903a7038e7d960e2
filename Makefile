# Two commands do all the set-up: `make demo` and `make test`.
#   make demo [VIDEO=path]   classify a video on this machine, from nothing
#   make test                the tests
#   make test-faults         kills, interruptions, servers that fail: minutes more
#   make test-deploy         the lab server on real Docker, with nginx, Triton and Prometheus: minutes more
#   make test-programs       what the tests run for real, from Debian's packages; as root
#   make test-full           shipped networks at every precision, every size: minutes more
#   make lint                format, lint, types, import direction
#   make bench               measure (benchmarks/results/*.json)
#   make bench-paper         the paper's figures and table, of VIDEOS='…', on a machine that does nothing else
#   make docs                put the measured figures into the pages
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Tests of processes, sockets and times may fail where something else has the cores. One that fails
# is tried once more, and is named as RERUN at the end.
PYTEST := $(BIN)/pytest --reruns 1 -rR
VIDEO ?= $(shell $(BIN)/python -m i3d_bench.clips bigbuckbunny.mp4)

.PHONY: demo test test-faults test-deploy test-programs test-full lint format bench bench-paper docs setup clean

demo: setup
	$(BIN)/i3d export kinetics400
	$(BIN)/i3d classify "$(VIDEO)" --embedded --model kinetics400_fp32 --out results

test: setup
	$(PYTEST) -n 3 --dist loadfile

test-faults: setup
	$(PYTEST) -m faults

test-deploy: setup
	$(PYTEST) -m deploy

test-programs:
	tests/deploy/install-programs.sh

test-full: setup
	$(PYTEST) -m full_size

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-paper: setup
	$(BIN)/i3d bench $(VIDEOS) --embedded --out results/bench
	cp results/bench/bench.json benchmarks/results/bench.json
	$(BIN)/python -m i3d_bench.bench.shape --out benchmarks/results/bench_shape.json

bench: setup
	$(BIN)/python -m i3d_bench.overlap --out benchmarks/results/overlap.json
	$(BIN)/python -m i3d_bench.overlap --share-cores --out benchmarks/results/overlap_shared.json
	$(BIN)/python -m i3d_bench.decode --out benchmarks/results/decode.json
	$(BIN)/python -m i3d_bench.pipelines --out benchmarks/results/pipelines.json
	$(BIN)/python -m i3d_bench.memory --out benchmarks/results/memory.json
	$(BIN)/python -m i3d_bench.wire --out benchmarks/results/wire.json
	$(BIN)/python -m i3d_bench.fairness --out benchmarks/results/fairness.json
	$(BIN)/python -m i3d_bench.gateway_load --out benchmarks/results/gateway_load.json
	$(BIN)/python -m i3d_bench.report_page --out benchmarks/results/report_page.json
	$(BIN)/python -m i3d_bench.kills --out benchmarks/results/kills.json
	$(BIN)/python -m i3d_bench.own_behaviours --work results/own_behaviours --out benchmarks/results/own_behaviours.json
	$(BIN)/python -m i3d_bench.precisions --out benchmarks/results/precisions.json --table docs/precisions.md

docs: setup
	$(BIN)/python -m i3d_bench.pages README.md docs/formats.md docs/benchmark.md docs/own_behaviours.md

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[export,server,demo,dev]'
	@touch $@

clean:
	rm -rf .venv results dist model_repository/*/1
