/** grpc.health.v1, fed by the states of the models. */
import { HealthImplementation } from 'grpc-health-check';
import { ADMIN_SERVICE, ENERGY_SERVICE } from '../../wire/contract.js';
import type { ModelState } from '../../serving/model-registry.js';

export interface HealthStates {
  /** False while starting and while stopping. */
  readonly serving: boolean;
  readonly models: readonly { readonly name: string; readonly state: ModelState }[];
}

/** The server is healthy when it serves and no model has failed; one that is being added does not count against it. */
export function isHealthy({ serving, models }: HealthStates): boolean {
  return serving && models.every(({ state }) => state === 'READY' || state === 'LOADING');
}

/** Tells health checks and watches how it is now. */
export function updateHealth(health: HealthImplementation, states: HealthStates): void {
  const overall = isHealthy(states) ? 'SERVING' : 'NOT_SERVING';
  for (const service of ['', ENERGY_SERVICE, ADMIN_SERVICE]) health.setStatus(service, overall);
  for (const { name, state } of states.models) {
    const ready = states.serving && state === 'READY';
    health.setStatus(`${ENERGY_SERVICE}/${name}`, ready ? 'SERVING' : 'NOT_SERVING');
  }
}
