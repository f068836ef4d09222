# The images: one for each program, with that program, the C library that it needs, and the authorities of certificates.
# No shell, no package manager, no user with rights.
#
#   docker build --target gateway -t prynai-gateway .         the same for worker, standalone, ops and issuer
#   docker build -t prynai-mcp .                              all programs but the issuer; the command says which runs
#   docker run --rm -p 127.0.0.1:8000:8000 prynai-standalone --insecure-no-auth
#
# `issuer` is the authorization server for development (compose/auth.yaml); nothing of worth may trust it.
#
# Cargo.lock fixes every crate, rust-toolchain.toml the compiler, and each program lists in itself what it was built
# from, for `cargo audit bin`, Trivy, Grype and Syft to read (https://github.com/rust-secure-code/cargo-auditable).

FROM rust:1.95-slim-trixie AS source
# jemalloc is built with it.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
# The image's own toolchain is the one rust-toolchain.toml asks for, without the components that a build does not need.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --locked --root /usr/local --version 0.7.7 cargo-auditable
WORKDIR /src
COPY . .

# Both caches outlast the build: what has not changed is neither fetched nor compiled again.
FROM source AS build
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo auditable build --locked --profile dist --bins \
        -p prynai-gateway -p prynai-everything -p prynai-standalone -p prynai-ops \
    && install -D -t /out target/dist/prynai-gateway target/dist/prynai-worker target/dist/prynai-mcp target/dist/prynai-ops

FROM source AS build-issuer
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo auditable build --locked --profile dist -p prynai-dev-issuer \
    && install -D -t /out target/dist/prynai-dev-issuer

# What a program needs beside itself, and the notes by which scanners know these packages, as Distroless keeps them.
FROM debian:trixie-slim AS root
RUN set -eu; \
    apt-get update; \
    apt-get install -y --no-install-recommends ca-certificates; \
    rm -rf /var/lib/apt/lists/*; \
    mkdir -p /root-fs/etc/ssl/certs /root-fs/var/lib/dpkg/status.d; \
    for package in libc6 libgcc-s1 ca-certificates base-files; do \
        dpkg-query --status "$package" >"/root-fs/var/lib/dpkg/status.d/$package"; \
        cp --parents "/usr/share/doc/$package/copyright" /root-fs; \
    done; \
    for file in ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 libc.so.6 libm.so.6 libgcc_s.so.1; do \
        find /usr/lib /usr/lib64 -name "$file" -exec cp -L --parents {} /root-fs \; || true; \
    done; \
    ln -s usr/lib /root-fs/lib; \
    if [ -e /usr/lib64 ]; then ln -s usr/lib64 /root-fs/lib64; fi; \
    test -e /root-fs/lib64/ld-linux-x86-64.so.2 || test -e /root-fs/lib/ld-linux-aarch64.so.1; \
    cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/; \
    cp -L /etc/os-release /root-fs/etc/; \
    printf 'prynai:x:65532:65532::/:/nonexistent\n' >/root-fs/etc/passwd; \
    printf 'prynai:x:65532:\n' >/root-fs/etc/group

FROM scratch AS base
COPY --from=root /root-fs/ /
USER 65532:65532
ARG VERSION=0.1.0
# The commit: `--build-arg REVISION=$(git rev-parse HEAD)`.
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="PrynAI" \
      org.opencontainers.image.url="https://github.com/prynai/prynai-mcp" \
      org.opencontainers.image.source="https://github.com/prynai/prynai-mcp" \
      org.opencontainers.image.documentation="https://github.com/prynai/prynai-mcp/blob/main/docs/deployment.md" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PRYNAI_LOG_FORMAT=json

FROM base AS issuer
LABEL org.opencontainers.image.title="prynai-dev-issuer" \
      org.opencontainers.image.description="An authorization server for development; it asks for no password"
COPY --from=build-issuer /out/prynai-dev-issuer /usr/local/bin/
ENV PRYNAI_ISSUER_LISTEN=0.0.0.0:8400
EXPOSE 8400
ENTRYPOINT ["prynai-dev-issuer"]

FROM base AS ops
LABEL org.opencontainers.image.title="prynai-ops" \
      org.opencontainers.image.description="Shows a fleet of PrynAI MCP, and repairs it"
COPY --from=build /out/prynai-ops /usr/local/bin/
ENTRYPOINT ["prynai-ops"]

FROM base AS worker
LABEL org.opencontainers.image.title="prynai-worker" \
      org.opencontainers.image.description="Runs the tools of PrynAI MCP; this one the reference handler"
COPY --from=build /out/prynai-worker /usr/local/bin/
# For the health check, which is all that reaches it there.
ENV PRYNAI_ADMIN_LISTEN=127.0.0.1:9464
ENTRYPOINT ["prynai-worker"]

FROM base AS gateway
LABEL org.opencontainers.image.title="prynai-gateway" \
      org.opencontainers.image.description="Holds the connections of MCP clients"
COPY --from=build /out/prynai-gateway /usr/local/bin/
# Inside a container the loopback address can be reached by nobody.
ENV PRYNAI_LISTEN=0.0.0.0:8000
EXPOSE 8000
ENTRYPOINT ["prynai-gateway"]

FROM base AS standalone
LABEL org.opencontainers.image.title="prynai-mcp" \
      org.opencontainers.image.description="An MCP server in one process: gateway, worker and the reference handler"
COPY --from=build /out/prynai-mcp /usr/local/bin/
ENV PRYNAI_LISTEN=0.0.0.0:8000
EXPOSE 8000
ENTRYPOINT ["prynai-mcp"]

# The last one is built when none is named: a registry then has one image for the whole fleet.
FROM base
LABEL org.opencontainers.image.title="prynai-mcp" \
      org.opencontainers.image.description="The programs of PrynAI MCP: gateway, worker, standalone server, operations"
COPY --from=build /out/ /usr/local/bin/
ENV PRYNAI_LISTEN=0.0.0.0:8000
EXPOSE 8000
CMD ["prynai-mcp"]
