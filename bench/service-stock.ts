/** A grpc-js server as its documentation makes one, for the same message: the measure of an upload. Prints its port. */
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { contract } from '../src/wire/contract.js';

const server = new Server({ 'grpc.max_receive_message_length': -1 });
server.addService(
  { ScoreActions: contract.energy.ScoreActions },
  {
    // as short an answer as the real server's refusal of a request without candidates
    ScoreActions: (_call: unknown, callback: (error: object) => void) =>
      callback({ code: status.INVALID_ARGUMENT, details: 'candidates: missing' }),
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
});
