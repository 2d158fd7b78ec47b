# syntax=docker/dockerfile:1
# The image holds one static binary, the list of certificate authorities and one
# unprivileged user: no shell, no package manager, nothing writable. It has no
# PostgreSQL inside, so it needs LATCHKEY_DATABASE_URL or LATCHKEY_DATABASE_URL_FILE
# (docker-compose.yml shows the whole shape, docs/operations.md explains it).

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
# .git comes along, so that `latchkey version` names the commit.
COPY . .
RUN CGO_ENABLED=0 go build -tags nomsgpack -trimpath -o /out/latchkey \
    -ldflags="-s -w -X main.version=$(git describe --tags --always) -X main.commit=$(git rev-parse HEAD)" ./cmd/latchkey
RUN printf 'latchkey:x:65532:65532:latchkey:/nonexistent:/sbin/nologin\n' > /out/passwd \
 && printf 'latchkey:x:65532:\n' > /out/group

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/passwd /etc/passwd
COPY --from=build /out/group /etc/group
COPY --from=build /out/latchkey /latchkey
COPY --from=build /src/LICENSE /LICENSE
USER 65532:65532
# Inside a container the loopback address reaches nobody; what is published to
# whom is decided by whoever runs the container.
ENV LATCHKEY_LISTEN=0.0.0.0:8080 LATCHKEY_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/latchkey", "doctor", "--health"]
ENTRYPOINT ["/latchkey"]
CMD ["serve"]
