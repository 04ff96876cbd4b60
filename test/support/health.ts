/** The standard health service, asked as a balancer would. */
import type { Client } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { call } from './service.js';

const health = loadSync(protoPath, { enums: String })['grpc.health.v1.Health'] as unknown as {
  Check: Parameters<typeof call<{ service: string }, { status: string }>>[1];
};

/** Status of a service, of the whole server when empty. */
export async function healthOf(client: Client, service: string): Promise<string> {
  return (await call(client, health.Check, { service })).status;
}
