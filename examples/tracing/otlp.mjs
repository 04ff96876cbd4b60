/**
 * Sends the spans of `action-energy serve` to an OpenTelemetry collector, by OTLP over HTTP:
 *
 *   npm install @opentelemetry/{sdk-trace-node,resources}@2 @opentelemetry/exporter-trace-otlp-http@0.223
 *   OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 NODE_OPTIONS='--import ./otlp.mjs' npx action-energy serve
 *
 * The exporter reads OTEL_EXPORTER_OTLP_*, the sampler below OTEL_TRACES_SAMPLER_ARG: the share of traces that begin here; a
 * caller's own decision holds for the others.
 */
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';

const { OTEL_SERVICE_NAME = 'action-energy', OTEL_TRACES_SAMPLER_ARG = '1' } = process.env;

// engines run in worker threads, which load this file, too, and have no calls
if (isMainThread) {
  const provider = new NodeTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': OTEL_SERVICE_NAME })),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(Number(OTEL_TRACES_SAMPLER_ARG)) }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 1000 })],
  });
  provider.register(); // with the W3C propagator
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => void provider.forceFlush());
}
