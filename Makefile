# A thin front: everything is in scripts/.
.PHONY: demo test lint bench

demo: ## a real conversation on this machine
	@scripts/demo.sh

test: ## every test that needs no GPU
	@scripts/test.sh

lint: ## format, lints, documentation, architecture
	@scripts/lint.sh

bench: ## figures of this machine
	@scripts/bench.sh
