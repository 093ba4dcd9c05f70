# For Makefiles of plugins in this tree, which say NAME. What is compiled and tested is a copy of the sources
# beside the compiler, where Node finds the packages: nothing is put among the sources, and the paths in the
# module are the same everywhere.
NODE ?= node
ASC  ?= ../../../.cache/asc
OUT  ?= ../../../.cache/assemblyscript/$(NAME)
SOURCES = $(wildcard manifest.json asconfig.json package.json assembly/*.ts test/*)

.PHONY: test build clean

test: build ## run the tests on what is built
	cd $(OUT)/work && $(NODE) --test --test-reporter=dot test/*.test.mjs

build: ## build OUT/NAME.wasm
	@[ -e $(ASC)/node_modules/@sallyport ] || { echo "there is no compiler of AssemblyScript: make toolchains installs it"; exit 1; }
	@rm -rf $(OUT)/work && mkdir -p $(OUT)/work/assembly $(OUT)/work/test
	@for f in $(SOURCES); do cp $$f $(OUT)/work/$$f; done
	@ln -s $(abspath $(ASC))/node_modules $(OUT)/work/node_modules
	cd $(OUT)/work && $(NODE) node_modules/assemblyscript/bin/asc.js
	cp $(OUT)/work/build/$(NAME).wasm $(OUT)/$(NAME).wasm

clean:
	rm -rf $(OUT)
