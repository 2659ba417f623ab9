PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
HALF := .venv/.half
IS_OURS := import benchmark, os, sys; sys.exit(not os.path.samefile(benchmark.__path__[0], sys.argv[1]))
BROKEN := $(shell [ ! -e $(READY) ] || [ -L .venv ] || \
	$(BIN)/python -I -c '$(IS_OURS)' "$$PWD/benchmark" 2> /dev/null || echo broken)
NEW = $(BIN)/python -m benchmark.jobs.scaffold $(@:new-%=%) '$(or $(NAME),$(error Name it: make $@ NAME=my_flow))' '$(IN)'
# Jobs take turns on the GPU of this machine, if it has one.
ONE_GPU := $(if $(shell command -v nvidia-smi),--default-resources gpu=1 --resources gpu=1)

# No environment can be made in a path with a colon, and Snakemake reads braces as variables.
ODD := $(strip $(foreach mark,{ } :,$(findstring $(mark),$(CURDIR))))
ifneq ($(ODD),)
$(error The path of this folder, $(CURDIR), has $(ODD), which cannot work: rename or move it)
endif

.DEFAULT_GOAL := all
.PHONY: broken all new-method new-network new-dataset new-measurement new-foreign check prefetch keep archive merge leaderboard efficiency test test-fast bench lint schema clean help

all: $(READY)  ## set up .venv and run the suite of config.yaml
	$(BIN)/python -m snakemake --cores all --quiet rules --rerun-incomplete $(ONE_GPU)

new-method: $(READY)  ## lay down a method of your own, NAME=my_flow, in the package IN=../research/mymethods
	@$(NEW)

new-network: $(READY)  ## likewise a network
	@$(NEW)

new-dataset: $(READY)  ## likewise a data set
	@$(NEW)

new-measurement: $(READY)  ## likewise a measurement
	@$(NEW)

new-foreign: $(READY)  ## likewise a program that is no method of this library, and its rule
	@$(NEW)

prefetch: $(READY)  ## bring every download that the suite needs
	$(BIN)/python -m snakemake prefetch --cores all --quiet rules --rerun-incomplete

check: $(READY)  ## hold METHOD=package.module.Class, or one of SUITE=..., to the contract of a method
	@$(BIN)/python -m benchmark.contract $(if $(SUITE),--suite '$(SUITE)') \
		$(if $(ARGUMENTS),--arguments '$(ARGUMENTS)') \
		'$(or $(METHOD),$(error Name the method: make check METHOD=package.module.Class))'

keep: $(READY)  ## keep the results of SUITE=... after an edit of the code that changes no numbers
	$(BIN)/python -m benchmark.jobs.keep $(or $(SUITE),$(error Name the suite: make keep SUITE=quick))

archive: $(READY)  ## pack the finished runs of SUITE=... (with SAMPLES=0 of each) into results/archives
	$(BIN)/python -m benchmark.jobs.archive $(or $(SUITE),$(error Name the suite: make archive SUITE=quick)) $(SAMPLES)

merge: $(READY)  ## merge ARCHIVES="a.crate.zip b.crate.zip" of one suite into TO=c.crate.zip
	$(BIN)/python -m benchmark.jobs.archive merge $(or $(TO),$(error Name the file to write: TO=both.crate.zip)) \
		$(or $(ARCHIVES),$(error Name the archives: ARCHIVES="a.crate.zip b.crate.zip"))

leaderboard: $(READY)  ## write the metrics of SUITE=... in the form of model hubs (model-index)
	$(BIN)/python -m benchmark.jobs.leaderboard $(or $(SUITE),$(error Name the suite: make leaderboard SUITE=quick))

efficiency: $(READY)  ## what the jobs of SUITE=... have asked for beside what they have used
	$(BIN)/python -m benchmark.jobs.efficiency $(or $(SUITE),$(error Name the suite: make efficiency SUITE=quick))

test: $(READY)  ## set up .venv and run the tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-fast: $(READY)  ## the tests without workflows, SLURM, whole trainings and other processes
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not slow"

bench: $(READY)  ## how fast it is beside others, in results/bench (about 20 minutes)
	$(BIN)/python -m benchmark.bench

schema: $(READY)  ## write the JSON schemas of config.yaml and of suites anew
	$(BIN)/python -m benchmark.suite.schema

lint: $(READY)  ## ruff, import-linter, snakefmt, snakemake --lint, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check workflow
	$(BIN)/python -m snakemake --lint
	$(BIN)/mypy

clean:  ## remove the results of every suite (not the downloads) and the environment
	@for path in results/* .snakemake; do \
		case $$path in results/README.md|results/example|results/archives|results/bench|results/downloads) continue; esac; \
		[ ! -e "$$path" ] || find -H "$$path" -mindepth 1 -delete || exit 1; \
		[ -L "$$path" ] || rm -rf "$$path" || exit 1; \
	done
	rm -rf .venv

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

# What was left half made, or was made for a Python or a folder that is no more, is made anew.
$(READY): pyproject.toml constraints.txt $(BROKEN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@[ -z "$(BROKEN)" ] && [ ! -e $(HALF) ] || rm -rf .venv
	@mkdir -p .venv && touch $(HALF)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,extras]'
	@rm $(HALF)
	@touch $@

broken: ;
