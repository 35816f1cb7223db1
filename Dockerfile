# Static programs on an empty base, for linux/amd64 and linux/arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --target streamer .
#   docker buildx build --platform linux/amd64,linux/arm64 --target operator .
#
# Without a container engine, `make image` builds the same images from this file (hack/mkimage).

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=unknown COMMIT=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/ ./cmd/streamer ./cmd/manager \
 && hack/mkimage/rootfs.sh /out/rootfs

FROM scratch AS streamer
ARG VERSION=unknown
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="certstream-operator streamer" \
      org.opencontainers.image.description="Streams Certificate Transparency logs over WebSocket, SSE and TCP" \
      org.opencontainers.image.source="https://github.com/certstream-operator/certstream-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
# /app (where a mounted config.yaml is found), /app/state and /data are there and belong to the user, so that volumes
# mounted on them can be written.
COPY --from=build /out/rootfs/system/ /
COPY --from=build --chown=65532:65532 /out/rootfs/user/ /
COPY --from=build /out/streamer /streamer
WORKDIR /app
USER 65532:65532
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["/streamer"]

FROM scratch AS operator
ARG VERSION=unknown
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="certstream-operator" \
      org.opencontainers.image.description="Runs streams of Certificate Transparency logs in Kubernetes" \
      org.opencontainers.image.source="https://github.com/certstream-operator/certstream-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /out/rootfs/system/ /
COPY --from=build /out/manager /manager
USER 65532:65532
EXPOSE 8081 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["/manager"]
