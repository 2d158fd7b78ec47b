# Everything works on a fresh machine with git, make and Go. Each target
# installs what it needs and says so first.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.1.4
MISSPELL    = github.com/golangci/misspell/cmd/misspell@v0.7.0

FUZZTIME ?= 1m

.PHONY: help run build test faults check format bench gallery picture mutations fuzz
help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: build ## Start latchkey on its private database at http://localhost:8080
	@.ci/install postgres
	./bin/latchkey serve

# nomsgpack leaves out a codec of gin that nothing here uses: 6 MB.
build: ## Build bin/latchkey
	@echo "Building bin/latchkey"
	@go build -tags nomsgpack -trimpath -ldflags '$(LDFLAGS)' -o bin/latchkey ./cmd/latchkey

test: ## Run every test with the race detector
	@.ci/install postgres chromium node
	go test -race -p 1 -timeout 30m ./...

faults: ## Kill, cut and fill what make test only scratches, for some minutes; as root
	@.ci/install postgres
	go test -tags faults -count=1 -parallel 1 -timeout 60m -v ./faults

fuzz: ## Fuzz every target for FUZZTIME (1m)
	@.ci/install postgres
	@grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -ohE '^func Fuzz[A-Za-z]+' $$dir/*_test.go | cut -d' ' -f2); do \
			echo "$$dir $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$dir || exit 1; \
		done; \
	done

check: ## Format, vet, linters, known vulnerabilities
	@test -z "$$(gofmt -l .)" || { echo "not formatted (make format):"; gofmt -l .; exit 1; }
	go vet -tags faults ./...
	go run $(STATICCHECK) -tags faults ./...
	go run $(MISSPELL) -error README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md docs
	@.ci/vulncheck $(GOVULNCHECK)

format: ## Format the code
	gofmt -w .

bench: ## Run the benchmarks
	@.ci/install postgres
	go test -run '^$$' -bench . -benchmem ./...

gallery: ## Draw every page with sample data into gallery/
	@.ci/install chromium
	LATCHKEY_GALLERY=$(CURDIR)/gallery go test -count=1 -timeout 10m -run TestPagesInABrowser ./templates

picture: ## Take the README's picture of the sign-in page from the real one
	@.ci/install postgres chromium node
	LATCHKEY_PICTURE=$(CURDIR)/docs/images/sign-in.png go test -count=1 -run TestPictureOfTheSignInPage ./server

mutations: ## Take out one check at a time and demand that the tests notice
	@.ci/install postgres
	testdata/mutations/run
