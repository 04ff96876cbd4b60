/**
 * The load's end of the wire. Messages are serialised once, as load generators do: the load shares the cores with what it
 * measures, and making the same bytes again for each call would be charged to the server.
 */
import { Client, type Metadata } from '@grpc/grpc-js';
import { callUnary, type UnaryMethod } from '../src/client/call.js';
import { channelParts } from '../src/client/channel.js';
import type { ScoreActionsRequest } from '../src/generated/action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse__Output } from '../src/generated/action_energy/v1/ScoreActionsResponse.js';
import { contract } from '../src/wire/contract.js';

const { path, requestSerialize, responseDeserialize } = contract.energy.ScoreActions;
const SCORE_BYTES: UnaryMethod<Buffer, ScoreActionsResponse__Output> = {
  path,
  requestSerialize: (bytes) => bytes,
  responseDeserialize,
};

export class LoadClient {
  readonly #channel: Client;
  readonly #metadata: Metadata;

  private constructor(channel: Client, metadata: Metadata) {
    this.#channel = channel;
    this.#metadata = metadata;
  }

  static async open(address: string): Promise<LoadClient> {
    const { credentials, options, metadata } = await channelParts({ address });
    return new LoadClient(new Client(address, credentials, options), metadata);
  }

  /** ScoreActions with a message made beforehand; nothing is tried again. */
  send(bytes: Buffer): Promise<ScoreActionsResponse__Output> {
    return callUnary(this.#channel, SCORE_BYTES, bytes, this.#metadata, { retries: 0 });
  }

  close(): void {
    this.#channel.close();
  }
}

export function scoreMessage(request: ScoreActionsRequest): Buffer {
  return requestSerialize(request);
}
