# What one does here every day; `just` alone lists it.

[private]
default:
    @just --list

# The whole try-out on loopback, with curl lines to paste.
try:
    cargo run --release -- demo

# Every check that a change must pass; installs what is missing.
check:
    scripts/test

# The tests alone, or those whose names contain WORDS.
test *WORDS:
    cargo nextest run --locked {{WORDS}}

# The long tests at their full size; some minutes.
soak:
    scripts/soak

# Fuzzes every target, or those named, for so many seconds each.
fuzz SECONDS="60" *TARGETS:
    scripts/fuzz {{SECONDS}} {{TARGETS}}

# Ten minutes of faults and load, with an account of every request.
campaign:
    scripts/campaign

# Attacks by other tools: all, or those named; `just attack --quick` takes a minute.
attack *WHICH:
    scripts/attack {{WHICH}}

# Formats the sources.
fmt:
    cargo fmt --all
    cargo fmt --manifest-path fuzz/Cargo.toml

# Lints as strictly as the checks do.
lint:
    cargo clippy --locked --all-targets -- -D warnings

# Licences, banned crates and sources of the dependencies.
deny:
    cargo deny --locked check licenses bans sources

# The benchmarks of the decision, or those whose names contain WORDS.
bench *WORDS:
    cargo bench --locked -- {{WORDS}}

# The program as it is best deployed, optimised by a profile of itself at work; ten minutes.
release:
    scripts/release

# sidgate and its peers side by side; an hour, or ARGS as `benches/peers/run --help` has them.
peers *ARGS:
    benches/peers/run {{ARGS}}

# The library's documentation, in a browser.
doc:
    cargo doc --locked --no-deps --document-private-items --open

# Reads config/ as `serve` would and says what it found.
config:
    cargo run -- check --config config/sidgate.toml

# The container image.
image TAG="sidgate":
    docker build --file packaging/Dockerfile --tag {{TAG}} .
