# syntax=docker/dockerfile:1
# Builds the program and puts it alone into an image: it runs as user 65532, writes to /data and /tmp only, and there is no shell in it.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package guildhall && cp target/release/guildhall /guildhall
RUN ops/docker/root.sh /guildhall /image

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENV GUILDHALL_SERVER_LISTEN=0.0.0.0:8080 \
    GUILDHALL_DATA_DIR=/data \
    GUILDHALL_LOG_FORMAT=json \
    MALLOC_ARENA_MAX=2
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/bin/guildhall"]
CMD ["serve"]
