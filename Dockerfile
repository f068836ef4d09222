# One image with the three programs; the command says which one runs. A second one, by --target issuer, has the
# authorization server for development (compose/auth.yaml).
#
#   docker build -t prynai-mcp .
#   docker run --rm prynai-mcp prynai-worker --redis-url redis://…      a worker
#   docker run --rm -p 127.0.0.1:8000:8000 prynai-mcp prynai-mcp --insecure-no-auth
#                                  the standalone server, for this machine alone and without authentication

FROM rust:1.95-slim-trixie AS source
# jemalloc is built with it.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
# The image's own toolchain is the one rust-toolchain.toml asks for, without the components that a build does not need.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .

FROM source AS build
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist -p prynai-gateway -p prynai-everything -p prynai-standalone -p prynai-ops --bins \
    && install -D -t /out target/dist/prynai-gateway target/dist/prynai-worker target/dist/prynai-mcp target/dist/prynai-ops

FROM source AS build-issuer
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release -p prynai-dev-issuer \
    && install -D -t /out-issuer target/release/prynai-dev-issuer

FROM debian:trixie-slim AS issuer
COPY --from=build-issuer /out-issuer/ /usr/local/bin/
USER 65532:65532
ENV PRYNAI_ISSUER_LISTEN=0.0.0.0:8400 PRYNAI_LOG_FORMAT=json
EXPOSE 8400
CMD ["prynai-dev-issuer"]

# The last one is built when none is named.
FROM debian:trixie-slim
COPY --from=build /out/ /usr/local/bin/
USER 65532:65532
# Inside a container the loopback address can be reached by nobody.
ENV PRYNAI_LISTEN=0.0.0.0:8000 PRYNAI_LOG_FORMAT=json
EXPOSE 8000
CMD ["prynai-mcp"]
