# docker build --target cpu -t action-energy:cpu .        (84 MB on top of the Node image)
# docker build --target cuda -t action-energy:cuda .      (needs the NVIDIA container toolkit to run)
# Configuration: environment variables ACTION_ENERGY_*, docs/configuration.md. MALLOC_*: docs/limits.md, memory after a burst.

FROM node:22.23.3-bookworm-slim AS build
WORKDIR /src
COPY . .
# `prepare` builds; what runs needs neither the compiler nor the tests, nor the binaries of other platforms
RUN npm ci --no-audit --no-fund \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && scripts/keep-platform.sh
RUN mkdir /app \
 && mkdir /app/dist \
 && cp -r package.json LICENSE proto models node_modules /app/ \
 && cp -r dist/src /app/dist/src

FROM build AS build-cuda
# onnxruntime-node's own script fetches its CUDA libraries; an image without them must not be made
RUN npm run install:cuda \
 && scripts/keep-platform.sh \
 && test -f node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so \
 && rm -rf /app/node_modules \
 && cp -r node_modules /app/node_modules

FROM node:22.23.3-bookworm-slim AS cpu
WORKDIR /app
COPY --from=build /app /app
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=33554432 \
    ACTION_ENERGY_ADDRESS=0.0.0.0:50051 ACTION_ENERGY_METRICS_ADDRESS=0.0.0.0:9464 ACTION_ENERGY_METRICS_PUBLIC=true ACTION_ENERGY_MODELS=/app/models
USER 1000:1000
EXPOSE 50051 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# the container's address is public to its network: give TLS and tokens, or ACTION_ENERGY_INSECURE_PUBLIC=true
ENTRYPOINT ["node", "/app/dist/src/cli/main.js"]
CMD ["serve"]

FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04 AS cuda
COPY --from=cpu /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=build-cuda /app /app
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=33554432 ACTION_ENERGY_PROVIDER=cuda \
    ACTION_ENERGY_ADDRESS=0.0.0.0:50051 ACTION_ENERGY_METRICS_ADDRESS=0.0.0.0:9464 ACTION_ENERGY_METRICS_PUBLIC=true ACTION_ENERGY_MODELS=/app/models
USER 1000:1000
EXPOSE 50051 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/cli/main.js"]
CMD ["serve"]
